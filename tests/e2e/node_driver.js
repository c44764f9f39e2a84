'use strict';
// node-smpp, led by JSON lines: one command per line on stdin, one event per line on stdout.
//   {"do": "bind", "as": "a", "port": 2775, "with": "bind_transceiver", "fields": {...}}
//   {"do": "submit", "as": "a", "n": 1, "fields": {...}}      octets are {"hex": "..."}
//   {"do": "ask", "as": "a", "n": 1, "command": "query_sm", "fields": {...}}
//   {"do": "close"}                                           unbinds everything, then exits
const readline = require('readline');
const smpp = require('smpp');

const sessions = {};

function tell(event) {
  process.stdout.write(JSON.stringify(event) + '\n');
}

function octets(value) {
  if (value && typeof value === 'object' && 'hex' in value) return Buffer.from(value.hex, 'hex');
  if (Array.isArray(value)) return value.map(octets);
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, octets(inner)]));
  }
  return value;
}

function text(pdu) {
  const body = pdu.short_message && pdu.short_message.message;
  return Buffer.isBuffer(body) ? body.toString('latin1') : body;
}

const doing = {
  bind(order) {
    const session = smpp.connect({ host: '127.0.0.1', port: order.port }, () => {
      session[order.with](order.fields, (answer) => {
        tell({ event: 'bound', as: order.as, status: answer.command_status });
      });
    });
    sessions[order.as] = session;
    session.on('error', (error) => tell({ event: 'error', as: order.as, text: String(error) }));
    session.on('close', () => tell({ event: 'closed', as: order.as }));
    session.on('enquire_link', (pdu) => session.send(pdu.response()));
    session.on('unbind', (pdu) => session.send(pdu.response(), () => session.close()));
    session.on('deliver_sm', (pdu) => {
      tell({
        event: 'deliver', source: pdu.source_addr, destination: pdu.destination_addr, esm_class: pdu.esm_class, text: text(pdu),
      });
      session.send(pdu.response());
    });
  },
  submit(order) {
    sessions[order.as].submit_sm(octets(order.fields), (answer) => {
      tell({ event: 'answer', n: order.n, status: answer.command_status, id: answer.message_id || '' });
    });
  },
  ask(order) {
    sessions[order.as][order.command](octets(order.fields), (answer) => {
      tell({
        event: 'answer', n: order.n, status: answer.command_status, id: answer.message_id || '', state: answer.message_state,
        unreached: answer.unsuccess_sme, why: answer.additional_status_info_text,
      });
    });
  },
  close() {
    const open = Object.values(sessions);
    let left = open.length;
    const gone = () => {
      left -= 1;
      if (left <= 0) process.exit(0);
    };
    for (const session of open) {
      if (session.socket.destroyed) gone();
      else session.unbind(() => session.close(gone));
    }
    if (!open.length) process.exit(0);
  },
};

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const order = JSON.parse(line);
  doing[order.do](order);
});
lines.on('close', () => process.exit(0));
