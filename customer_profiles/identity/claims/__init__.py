"""The IDs of customers and who gives them: claims, estates, succession."""
