"""Random draws from lists of items, some of which a row must not get: exact, and the same however they are computed.

An urn is a list of items, each with a whole number of tickets. A row draws from one urn and has excluded items
a_0 < a_1 < …. Let D_j be the tickets of what lies before a_j and is not excluded. To draw, take a ticket t among those
that are left, and answer

    the item at ticket   t + Σ {tickets of a_j : D_j ≤ t}

With one ticket each this is *skip-rank*: t + #{j : a_j − j ≤ t}. One number is drawn and one row is searched, whether
1 % or 99 % of the items are excluded; nothing is tried again. Whole numbers make it exact: an excluded item is never
drawn, and the law is tickets_j / (tickets left) to the last bit.

``Urns``         lists of items with their tickets
``Exclusions``   rows, and what each must not get, prepared once
``independent``  draws with replacement, with the log of their law; ``sides`` chooses what to draw from
``distinct``     draws without replacement: the first k distinct ones of a row's endless sequence

The noise of draw number c is ``counter_uniform(key, unit, c)``, so a draw depends on nothing but its key, unit and
number: not on the other rows, on blocks or on threads. The two bodies of the kernels give the same bits.
"""

from foils.drawing.exclusions import Exclusions
from foils.drawing.urns import TICKETS, Urns
from foils.drawing.with_replacement import contains, independent, sides
from foils.drawing.without_replacement import distinct

__all__ = ["TICKETS", "Exclusions", "Urns", "contains", "distinct", "independent", "sides"]
