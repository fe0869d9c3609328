"""Normalisers: pure functions, one file a kind of value, each giving the same again when its result is put back in.

A normaliser takes what a source holds and returns the clean value, ``None`` when there is nothing, or a
:class:`~customer_profiles.cleaning.reasons.Reason` when there is something it cannot take.
"""
