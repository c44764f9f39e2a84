"""api: what the command line can do, for programs: JSON over HTTP, by a token.

In: ``POST /api/complaint/decide`` with JSON, ``Authorization: Bearer …``. Out: what the gate said, as JSON or a file; ``{"error": …}``.
Never: a right, a decision or a record of its own (the gate is asked, as pages and commands ask it); a cookie; a person's number in an address.

    parameters.py     what may stand in a request: how it is read and checked, and what the document says of it
    schemas.py    what answers look like
    table.py     EVERY OPERATION, ONE ROW EACH: its path, whom it takes, what it is told and tells; routes, roles, document come from it
    dispatch.py   one operation carried out: a command of the socket, or a program of the command line
    openapi.py  the table as OpenAPI 3.1
    routes.py    tokens, bodies, statuses
    responses.py   answers, and what is wrong in the language that was asked for
"""
