"""Turns rules into verdicts: a message in, a typed answer out.

In: the rules folder; then Messages, recipients' records, the time. Out: Verdicts, Facts, Explanations, Problems.
Never: sockets, clocks, logs, protocol fields. Only loading/ reads files, and only inside the rules folder.

    loading/                    YAML and CSV to a RuleSet, or every problem with file and line
      folder, source, draft       files of the folder; nodes that know their line; one rule
      load_rules, problem         all rules together; mistakes
      check, lint, warnings       rule tests; rules that cannot be meant; rules worth a second look
      crosscheck, condition_branches  registries against each other; conditions compared
      schema_parts, schema, digests  JSON Schema for editors; what changed between two sets
    kinds/                      one file per condition of ``when``
    condition, rule_program     conditions as bits; what all rules decide for a set of bits
    ruleset, evaluation_plan, generational_cache  decisions cached by bits, and bound to facts
    text_reader, text/          what one text says: normal form, signature, notice, links, category
    related_senders, places     senders and places that the rules cannot tell apart
    registries/                 the CSV tables: signatures, ports, templates, consents, regions, holidays
    judge, limit, limit_counts  the verdict on one message; the key ``limit`` of a rule; what a limit counts
    recipient_share             rules that are enforced for a share of recipients
    incomplete_messages         verdicts on long messages of which parts are missing
    store_failure               rules while the shared store is out of reach
    operator_orders, penalty_rules, rule_dates  temporary orders; penalties; when rules are active, on trial, or retry
    reply_paths                 whether replies to each port prefix reach the gate
    renamed_senders, refusal_match  refused advertisers recognised under another name
    explanation/                the verdict in words; a text checked before it is sent
    replies/                    what a recipient's reply means
    time_windows                days, windows and dates in the rules' time zone
"""
