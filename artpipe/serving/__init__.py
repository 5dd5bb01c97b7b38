"""Chooses the served model: by comparison of the candidate with the served one, or by a person."""
