"""A demo company with six sources, for a first run and for tests: realistic, messy, and with its truth known.

``generate(folder)`` writes the sources of one retailer and, apart from them in ``folder/truth``, who is whom.
The same arguments give the same files. Nothing in here knows how customers are found again, and only an
evaluation may read the truth. What each file looks like stands in this folder's README.md.

Everyone is invented: email addresses are on the reserved ``.example`` domain. Phone numbers are well formed,
so that they pass validation, and chosen without looking who has them: never dial them.

**How messy**: the constants are in ``rates.py``; each is reached exactly or exceeded by rounding up, in every
source and chunk of customers that it applies to.

====================================  =====  ===============================================================
what                                  rate   of
====================================  =====  ===============================================================
a typing error in a name              15 %   records with a name
a nickname for the given name          5 %   records with a name
an address moved away from            10 %   records with an address
no email address                      20 %   CRM, orders, web log-ins, support (an email platform has one)
no phone number                       30 %   CRM, orders, web log-ins, support (the email platform has none)
a family member's phone or email       5 %   records with a name, in every source but social
a generic address (``info@…``)         1 %   records with a name, in every source but social
a wrong birth date                     3 %   records with a birth date
visits that start anonymous           30 %   visits; half of them log in later, the others are strangers
events late, by 6 hours to 3 days      5 %   events, in every source
events delivered twice                 2 %   events, in every source
events out of order                   10 %   events, in every source (30 minutes to 3 hours behind)
broken rows                            0.5%  rows, in every feed
name and birth year of a neighbour     0.6%  customers (two people, next door to each other)
====================================  =====  ===============================================================

**Broken rows** are further rows, spoilt copies with keys of their own, so that a rejected row never hides a
good one. They are listed in ``truth/broken.jsonl`` as source, feed, where and reason. ``where`` is the
primary key in a database, and ``file:number`` in a file below the source's folder: the line of a text file
counted from 1, a CSV's header included; the element of a JSON array counted from 1. The reasons:

- ``unreadable_json``: a line cut short, or a JSON column cut short.
- ``bad_encoding``: bytes that are not UTF-8 (in a database: a binary value in a text column). Decode first.
- ``bad_date``: a day that does not exist (``2026-02-30``, ``31/02/1980``) in a date that the contract reads.
- ``bad_amount``: words where an amount of money should be.
- ``wrong_type``: an object where a text should be.
- ``too_large``: one field of 5,000,000 characters; no other field is longer than 2,000.
- ``missing_key``: nothing that says whose the row is.
"""

from customer_profiles.demo.generate import DemoSummary, generate, read_summary
from customer_profiles.demo.rates import AS_OF, DemoError

__all__ = ["AS_OF", "DemoError", "DemoSummary", "generate", "read_summary"]
