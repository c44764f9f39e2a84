"""backtest: what other rules would have made of what the journal says was sent: the same code that decides live, fed from the journal.

In: the journal, turn by turn; rules; who the providers are. Out: what would have been otherwise, counted, with masked examples. Never: a byte
written, a message sent, the running gate's state.

    turns    the journal as the relay wrote it: one commit group, one turn     past      people as they stood when the window begins
    rerun    each message judged again, in the order of then                    case      one message on its way through it
    bench    the gate's own judging, as it stood then                           house     what judging asks of the gate around it
    belonging which parts were one message
    replacing texts that take the place of others, judged again                 differing what is otherwise, by rule, provider, place
    older    what is known from before the journal begins, from the store       run       one question, from folder to answer
    told     the result in words and for programs                               page      the result as one page, with charts
    named    which message an id means                                          inquest   one message: then, and by today's rules (retold)
"""
