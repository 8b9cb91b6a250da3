// A program of the published Node SDK. Reads one call a line, writes one answer a line; see `client.rs`.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

// The folder that the SDK is installed in, with a slash at its end.
const ngrok = createRequire(process.argv[2])("@ngrok/ngrok");
let session;
let listener;

const calls = {
  async connect({ token, server, ca }) {
    const builder = new ngrok.SessionBuilder();
    builder.authtoken(token).metadata("session of a test").serverAddr(server);
    // The answer leaves first.
    builder.caCert(readFileSync(ca)).handleStopCommand(() => void setTimeout(() => process.exit(0), 200));
    session = await builder.connect();
  },
  async bind({ address, policy, upstream }) {
    const builder = session.tcpEndpoint().metadata("endpoint of a test");
    if (address) builder.remoteAddr(address);
    if (policy) builder.trafficPolicy(policy);
    listener = await builder.listen();
    // Ends with the listener, in whatever way.
    listener.forward(upstream).catch(() => {});
  },
  async unbind() {
    await listener.close();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const call = JSON.parse(line);
  const answer = await calls[call.do](call).then(() => ({}), (error) => ({ error: String(error) }));
  console.log(JSON.stringify(answer));
}
process.exit(0);
