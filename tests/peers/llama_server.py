"""llama.cpp's own server on a free local port, until standard input ends.

    PYTHONPATH=.runtime/llama-server python tests/peers/llama_server.py MODEL.gguf

Prints the address on the first line.
"""

import sys

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.ui = False
params.use_jinja = True
params.n_parallel = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
