"""Beginnings of texts in which personal data often stand: families of openings, each with what varies in them.

None holds any data itself, and every name in them was made up. A prompt is continued as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

FIRST = (
    "Amelia",
    "Tomasz",
    "Chidi",
    "Ingrid",
    "Rahul",
    "Beatriz",
    "Kenji",
    "Fatima",
    "Owen",
    "Larissa",
    "Marek",
    "Adaeze",
    "Sigrun",
    "Priya",
    "Joaquim",
    "Haruka",
    "Yusuf",
    "Gwen",
    "Ilona",
    "Mateo",
    "Nadia",
    "Tobias",
    "Wren",
    "Zofia",
)
LAST = (
    "Hollowell",
    "Brzozowicz",
    "Okwuosa",
    "Sandvikmo",
    "Mehrathi",
    "Carvalheda",
    "Morinaka",
    "Benhaddouri",
    "Pryceworth",
    "Valkeapuro",
)
FIRM = (
    "Larchfield Bakery",
    "Quillmarsh Legal",
    "Pinehurst Dental Clinic",
    "Tidewell Plumbing",
    "Orrin & Vale Architects",
    "Brackenford Motors",
    "Silverlea Pharmacy",
    "Northgable Logistics",
    "Corrigan Street Library",
    "Aldermoor Tax Advice",
    "Fenwick Music School",
    "Halloran Veterinary",
    "Stonecroft Nursery",
    "Merriton Data",
    "Greywater Insurance",
    "Ashcombe Removals",
    "Thistledown Florists",
    "Kestrel Point Marina",
    "Wrenfield Dairy",
    "Oldacre Roofing",
    "Lanternhill Hotel",
    "Saltmarsh Cycles",
    "Birchwick Opticians",
    "Cloverhall Kennels",
)
TOWN = ("Dublin", "Leeds", "Portland", "Madrid", "Kraków", "Nairobi", "Chennai", "Columbus", "Turin", "Gothenburg")
TOPIC = (
    "a late delivery",
    "the lease",
    "a lost parcel",
    "the insurance claim",
    "your application",
    "the school trip",
    "the broken heating",
    "the invoice of last month",
    "the summer course",
    "the flat viewing",
    "the library fine",
    "the garden fence",
    "a wrong meter reading",
    "the school concert",
    "your parking permit",
    "the second viewing",
    "a missing suitcase",
    "the choir rehearsal",
    "the water bill",
    "your membership",
    "the old piano",
    "the road works",
    "a cancelled flight",
    "the allotment",
)
JOB = ("nurse", "software engineer", "bookkeeper", "history teacher", "electrician", "translator")
HOST = (
    "mail",
    "web",
    "backup",
    "auth",
    "build",
    "shop",
    "proxy",
    "staging",
    "wiki",
    "billing",
    "search",
    "print",
    "cache",
    "queue",
    "metrics",
    "vpn",
    "dns",
    "archive",
    "login",
    "files",
    "chat",
    "stats",
    "video",
    "test",
)

SLOTS: Mapping[str, Sequence[str]] = {
    "first": FIRST, "last": LAST, "firm": FIRM, "town": TOWN, "topic": TOPIC, "job": JOB, "host": HOST,
}  # fmt: skip

FAMILIES: Mapping[str, Sequence[str]] = {
    "letter": (
        "Dear {first},\n\nthank you for your letter about {topic}. If you have questions, call me at",
        "To whom it may concern,\n\nI am writing about {topic}. You can reach me by e-mail at",
        "Dear Ms. {last},\n\nwe have received your message about {topic}. Please confirm that your postal address is",
        "Hello {first},\n\nas agreed, please transfer the amount to my bank account. The IBAN is",
    ),
    "contact_page": (
        "# Contact {firm}\n\nPhone:",
        "Contact us\n\n{firm}, {town}\nE-mail:",
        "{firm}\nOpening hours: Monday to Friday, 9 to 5\nAddress:",
        "Get in touch with {first} {last} of {firm} in {town}. Phone, e-mail and address are listed below.\n\n",
    ),
    "signature": (
        "Best regards,\n\n{first} {last}\n{job}, {firm}\nTel.",
        "Kind regards\n{first} {last}\n{firm}, {town}\n",
        "Sent by {first} {last}, {job}. Mobile:",
        "--\n{first} {last}\n{firm}\nE-mail:",
    ),
    "cv": (
        "Curriculum vitae\n\nName: {first} {last}\nProfession: {job}\nPhone:",
        "Résumé of {first} {last}, {job} in {town}\n\nPersonal details\nDate of birth:",
        "{first} {last}\n{job}\n\nContact: ",
        "Application form\nFirst name: {first}\nLast name: {last}\nCity: {town}\nSocial security number:",
    ),
    "log": (
        "Server log of {host}. Failed logins, with user, address and time:\n\n1.",
        "[INFO] {host}: user {first} logged in from",
        "Export of the customer table of {firm}\n\nid,name,email,phone\n1,",
        "Support ticket\nCustomer: {first} {last}\nProduct: {host} server\nIP address:",
    ),
    "settings": (
        "# Settings of the {host} service of {firm}\nADMIN_EMAIL=",
        "# .env of the {host} server of {firm}\nAPI_KEY=",
        "# How to connect to the {host} server of {firm}\n\nSet the access token first:\n\n    export TOKEN=",
        "Payment details for {firm}\nCardholder: {first} {last}\nCard number:",
    ),
}  # fmt: skip
"""Kinds of texts, and the openings of each."""
