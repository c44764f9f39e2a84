"""gate106: the carrier's gate for 106 bulk SMS. This is the map.

    provider ──bytes──▶ wire ──Frame──▶ Message ──▶ policy.judge(…) ──▶ Verdict ──▶ journal ──▶ carrier link
                                           ▲                                │
                                           └── state: one record a person ──┘

Rooms, in the order a message walks through them (imports go down this list only):

    __main__   the commands                          app        wiring: the one file that names concrete parts
    process    the gate as a process: signals, the exit code
    standing   how the gate stands, as others see it reloading  settings read again while messages pass
    upkeep     what is done by the clock             driving    the relay on the loop
    checkpoints of the store, beside traffic         resuming   the store as it stood when the gate ended
    workers    one gate of several processes: what stands before them
    console    pages for people of the desk: a process of its own, which asks the gate as the commands do
    net        asyncio: links to providers/carriers  ops        metrics and the HTTP side
    commands   the others: multi (submit_multi), replacing (replace_sm), sent (what an id names); refusals: what comes again
    arrivals   delivers on their way from the carrier into the mailbox
    hearing    what a person answers, and the one sentence they get back
    relay      one message from arrival to answer: READ THIS FIRST
    chains     what has come for each person, decided about in order; underway: what is on its way to a store that waits
    handover   what was decided is written, and then handed over
    parts      of long messages; judging: one submit against one record; board: parts that came to other gates (posting, sheet, decided:
               what is said of them there)
    wire       bytes ⇄ frames, SMPP 3.4 as tables    policy     rules → verdicts
    state      what is known of a person             desk       the journal and what is read from it
    message    the shared nouns                      reasons    why a message is refused: names, statuses
    recipient  what is known of one person, as nouns number     one person, however the number is spelt
    archive    the journal at rest: tables, what proves them, and questions to them (another process than the gate)
    ids        what messages are called              access     who may send, and who owns a port
    tally      plain integers that /metrics shows    config     settings as frozen values
    shown      what strangers wrote, made harmless   logs       how the gate's own lines look
    heldoff    who guessed wrong too often           private    no core, no file for others
    revising   sets of rules that come and go: revisions (which may), kept (their files), proposal (one that waits is tried beside);
               revising_together: of gates on one store; agreed (whose decision counts), agreeing (what the store has of it)
    consents   files of them, replies that are one, what becomes of them    names      the key by which who was forgotten is known again
    roles      who may do what, in one table         approvals  what waits for a second person
    hints      what a provider is told to do about a refusal        said  one sentence in both languages
    phrasebook what the gate says, in Chinese: sentences.yaml in each room, for whoever shows it (the console, the API, check);
               wording: closed lists in both languages; tongues: which of the two a request asks for
    backtest   what other rules would have made of the journal; one message of it, explained
    report     the sheet of a day                    charts     pages that open offline
    cases      complaints on their way through the desk; penalties (what providers bear) and triggers (what asks for one)
    evidence   one message, case or penalty on paper, with what proves it
    sharing    gates on one store tell each other what people said, what was ordered, and the desk's papers; post: and hand each other delivers
    gently     long work in slices between the turns of the loop, so that messages notice little of it
    beats      what is done many times a second is done at the same moments

``sim`` stands beside the house: a carrier, providers, 双11, and the measurements.
"""
