# moto's server, with one request at a time: it looks at a condition and then writes, in two steps, where S3 does both
# in one. Usage: python moto_in_turn.py PORT
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.server import MotoRequestHandler
from werkzeug.serving import run_simple

server = DomainDispatcherApplication(create_backend_app)
turn = threading.Lock()


def in_turn(environment, start_response):
    # What is left of an upload belongs to the request, too.
    with turn:
        return list(server(environment, start_response))


run_simple("127.0.0.1", int(sys.argv[1]), in_turn, threaded=True, request_handler=MotoRequestHandler)
