"""Offers the gate's operations to programs as JSON over HTTP.

In: ``POST /api/complaint/decide`` with JSON and ``Authorization: Bearer …``. Out: the gate's answer as JSON or a file; ``{"error": …}``.
Never: a permission, decision or record of its own (it asks the gate, as pages and commands do); a cookie; a person's number in an address.

    declarations.py     finds what the features declare
    operation_table.py  every operation, also as OpenAPI 3.1; routes and roles follow from it
    routes.py           tokens, bodies, one operation carried out, statuses, and errors in the language of the request
"""
