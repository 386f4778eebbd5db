"""HTTP/2 as far as a gRPC server needs it, on asyncio's transports: RFC 9113, RFC 7541 and gRPC's protocol over them.

    hpack, huffman     header blocks into fields
    frames             numbers, layouts and errors of the wire
    head               the fields of a request into which call it is
    connection         one connection: frames in, frames out, flow control
    exchange           one call on it: request messages in, replies and status out

Written here because the servers there are cost more than everything behind them: grpc.aio spends 220 µs of CPU on an
empty call, this a fifth of it, and imports nothing for it.
"""
