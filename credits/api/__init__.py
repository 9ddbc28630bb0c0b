"""The interface for learning platforms (F-106): /api/v1/, signed requests, JSON.

signing.py     who asks, and that nobody changed or repeated the request
schemas.py     what requests and answers look like (the OpenAPI document is made of them)
receiving.py   events into records, and what an answer says of them
keys.py        keys are made, shown once, revoked
routes.py      the addresses
docs.py        the page for those who write the other side
"""
