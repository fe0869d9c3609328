"""What goes out: the profile as it is read, for one purpose and one consent. The one place for every face.

What belongs here: finding the customer, folding its profile, withholding what the purpose may not see. What
does not: the facts themselves (`marts/`), and how an answer looks on a screen (`cli/`, `web/`).
"""
