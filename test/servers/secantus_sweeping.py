# SecantusDB, which removes what an index lets expire every two seconds: by default, as MongoDB does, within a minute.
# Its configuration has a setting for that, which its command does not pass on. Usage: as secantusd-py.
import functools
import sys

from secantus import cli

cli.SecantusDBServer = functools.partial(cli.SecantusDBServer, ttl_sweep_seconds=2.0)
sys.exit(cli.main())
