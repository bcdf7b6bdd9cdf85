"""Entities: the things that facts are about. Each is a fold that commutes and is idempotent, and says what it contributes.

A counter is nothing but the sum of what its entities contribute; an entity that changes has its old contributions taken out and its
new ones put in. So order, duplicates and corrections cannot make a counter wrong, and every point leads back to the entities.
"""
