"""Texts that a model, a policy or a file name may hold, and that would do something if a page let them."""

from __future__ import annotations

from collections.abc import Mapping

RUN = "window.ran=1;alert(1)"

HOSTILE: Mapping[str, str] = {
    "script": f"<script>{RUN}</script>",
    "script in capitals": f"<ScRiPt src=//example.org/x.js>{RUN}</sCrIpT >",
    "end of the stylesheet": f"</style><script>{RUN}</script>",
    "end of the script": f"</script><img src=x onerror={RUN}>",
    "end of the title": f"</title><svg onload={RUN}>",
    "beginning of a comment": f"<!--><script>{RUN}</script>",
    "end of a comment": f"--!><script>{RUN}</script>",
    "character data": f"<![CDATA[ ]]><svg><script>{RUN}</script>",
    "end of a double-quoted attribute": f'" autofocus onfocus="{RUN}" x="',
    "end of a single-quoted attribute": f"' autofocus onfocus='{RUN}' x='",
    "back quotes": f"`${{{RUN}}}`",
    "refresh": '<meta http-equiv="refresh" content="0;url=https://example.org/">',
    "base": '<base href="https://example.org/">',
    "frame": f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    "form": '<form action="https://example.org/"><button autofocus>Send</button>',
    "template": "{{ 7*7 }}{% raw %}{# out of sight #}",
    "template of a script": "${7*7}<%= 7*7 %>",
    "javascript: address": f"javascript:{RUN}",
    "data: address": f"data:text/html,<script>{RUN}</script>",
    "stylesheet": "} body { background: url(https://example.org/x.png) } @import 'https://example.org/x.css';",
    "entities": f"&lt;script&gt;{RUN}&lt;/script&gt; &#60;script&#62; &amp;amp;",
    "overridden direction": "\u202egnp.exe\u202c \u2067back\u2069 \u200fmark",
    "right to left": "שלום עולם مرحبا بالعالم",
    "no width": "ad\u200bmin\u2060 \ufeffroot \u00adsoft \u3164",
    "joined": "नमस्ते می‌خواهم 👩\u200d👩\u200d👧",
    "tower of marks": "Z" + "\u0335\u0353\u0347\u0321\u034e\u0349" * 40,
    "control characters": "\x00\x07\x08\x1b[31mred\x1b[0m\x7f\x9b1m",
    "separators of lines": "a\u2028b\u2029c\x0bd\x0ce\x85f",
    "not a character": "\ufffe\uffff",
    "long": "n" * 10_000,
    "long and foreign": "漢" * 10_000,
}
"""By what each of them tries; no text may show, run, load or hide anything but itself."""
