// Run by test_imapflow.py: what a webmail does, with everything on that imapflow finds offered. Prints JSON.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const { ImapFlow } = createRequire(process.env.MODULES + "/")("imapflow");
const [port, user, pass, certificate] = process.argv.slice(2);

function client() {
  const made = new ImapFlow({
    host: "localhost",
    port: Number(port),
    secure: true,
    auth: { user, pass },
    tls: { ca: readFileSync(certificate) },
    logger: false,
    qresync: true,
  });
  made.on("error", (error) => { console.error(error); process.exit(1); });
  return made;
}

function mail(subject) {
  return `From: ann@example.org\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@example.org>\r\n\r\nwords\r\n`;
}

const one = client();
await one.connect();
const said = { enabled: [...one.enabled], compressed: Boolean(one._deflate ?? one.isCompressed) };
await one.mailboxCreate("Archive");
for (const subject of ["first", "second", "third"]) {
  await one.append("INBOX", mail(subject), ["\\Flagged"]);
}
const lock = await one.getMailboxLock("INBOX");
said.exists = one.mailbox.exists;
said.subjects = [];
for await (const each of one.fetch("1:*", { uid: true, envelope: true, flags: true, bodyStructure: true, source: true })) {
  said.subjects.push(each.envelope.subject);
}
said.found = await one.search({ subject: "second" }, { uid: true });
await one.messageFlagsAdd("1", ["\\Seen", "work"]);
await one.messageMove("2", "Archive");
await one.messageDelete("2");
said.flags = [...(await one.fetchOne("1", { flags: true })).flags].sort();
said.archived = (await one.status("Archive", { messages: true })).messages;

const told = new Promise((resolve) => one.on("exists", (event) => resolve(event.count)));
const idle = one.idle();
const two = client();
await two.connect();
await two.append("INBOX", mail("fourth"));
said.told = await told;
await two.logout();
lock.release();
await one.logout();
await idle;
said.list = "done";
console.log(JSON.stringify(said));
