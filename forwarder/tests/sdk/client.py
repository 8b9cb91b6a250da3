"""A program of the published Python SDK. Reads one call a line, writes one answer a line; see `client.rs`."""

import asyncio
import json
import os
import sys

import ngrok


class Client:
    def __init__(self):
        self.session = None
        self.listener = None
        self.loop = asyncio.get_running_loop()

    def stopped(self):
        # The answer leaves first.
        self.loop.call_soon_threadsafe(self.loop.call_later, 0.2, os._exit, 0)

    async def connect(self, token, server, ca):
        builder = ngrok.SessionBuilder().authtoken(token).metadata("session of a test").server_addr(server)
        with open(ca, "rb") as file:
            builder = builder.ca_cert(bytearray(file.read()))
        self.session = await builder.handle_stop_command(self.stopped).connect()

    async def bind(self, address, policy, upstream):
        builder = self.session.tcp_endpoint().metadata("endpoint of a test")
        if address:
            builder = builder.remote_addr(address)
        if policy:
            builder = builder.traffic_policy(policy)
        self.listener = await builder.listen()
        self.listener.forward(upstream)

    async def unbind(self):
        await self.listener.close()


async def main():
    client = Client()
    while line := await asyncio.to_thread(sys.stdin.readline):
        call = json.loads(line)
        try:
            await getattr(client, call.pop("do"))(**call)
            answer = {}
        except Exception as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
    os._exit(0)


asyncio.run(main())
