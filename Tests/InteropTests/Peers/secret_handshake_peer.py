"""One end of a connection, spoken by PyPI's secret-handshake: handshake, payload both ways, goodbye both ways.

Usage: secret_handshake_peer.py ORDER, a JSON object:
  role         "server", which prints its port, or "client", which dials "port"
  port         where to dial
  network      the network identifier, in hexadecimal digits, as are all keys
  seed         of the own long-term key
  peer         the other end's long-term public key
  byte_count   how much to send
  deadline     seconds after which everything fails

The first line is {"port": n}: where a server listens, or where a client is about to dial. The last line is a report;
see the end of `converse`.
"""

import asyncio
import hashlib
import json
import random
import sys

from nacl.signing import SigningKey
from secret_handshake import SHSClient, SHSServer

HOST = "127.0.0.1"


def say(**fact):
    print(json.dumps(fact), flush=True)


async def send(stream, writer, byte_count):
    """Writes pieces of any length, so that frames of every length occur."""
    dice = random.Random(4096)
    digest = hashlib.sha256()
    while byte_count > 0:
        piece = dice.randbytes(min(byte_count, dice.choice((1, 100, 4096, 4097, 30000, 65536))))
        byte_count -= len(piece)
        digest.update(piece)
        stream.write(piece)
        await writer.drain()
    return digest.hexdigest()


async def receive(stream):
    """Reads up to the goodbye; an end without one looks the same here, so the caller has to ask for it."""
    digest = hashlib.sha256()
    byte_count = 0
    while (body := await stream.read()) is not None:
        digest.update(body)
        byte_count += len(body)
    return digest.hexdigest(), byte_count


async def converse(stream, reader, writer, peer, byte_count):
    sent, (received, received_byte_count) = await asyncio.gather(
        send(stream, writer, byte_count), receive(stream))
    # The other end keeps its direction open until it has our goodbye, so an end of input now means that it
    # left without saying its own.
    said_goodbye = not reader.at_eof()
    # Only the writing half: the package's close of a whole stream calls a method that does not exist.
    stream.write_stream.close()
    await writer.drain()
    behind_goodbye = await reader.read()
    writer.close()
    say(peer=peer, sent=sent, received=received, received_byte_count=received_byte_count,
        said_goodbye=said_goodbye, bytes_behind_goodbye=len(behind_goodbye))


async def serve(order):
    server = SHSServer(
        HOST, 0, SigningKey(bytes.fromhex(order["seed"])),
        application_key=bytes.fromhex(order["network"]))
    done = asyncio.get_running_loop().create_future()

    async def accept(reader, writer):
        try:
            server.on_connect(lambda stream: converse_with(stream, reader, writer))
            await server.handle_connection(reader, writer)
        except Exception as error:
            done.set_exception(error)

    async def converse_with(stream, reader, writer):
        try:
            # The package keeps the last client's key in an object that all connections share; there is one.
            peer = bytes(server.crypto.remote_pub_key).hex()
            await converse(stream, reader, writer, peer, order["byte_count"])
            done.set_result(None)
        except Exception as error:
            done.set_exception(error)

    # The package's own `listen` does not tell its port.
    listener = await asyncio.start_server(accept, HOST, 0)
    say(port=listener.sockets[0].getsockname()[1])
    await done
    listener.close()


async def dial(order):
    client = SHSClient(
        HOST, order["port"], SigningKey(bytes.fromhex(order["seed"])),
        bytes.fromhex(order["peer"]), application_key=bytes.fromhex(order["network"]))
    say(port=order["port"])
    await client.open()
    reader = client.read_stream.reader
    await converse(client, reader, client.writer, order["peer"], order["byte_count"])


async def main(order):
    act = serve if order["role"] == "server" else dial
    await asyncio.wait_for(act(order), order["deadline"])


asyncio.run(main(json.loads(sys.argv[1])))
