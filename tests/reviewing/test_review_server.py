"""The server as a process: one for a folder, on this machine alone, ended by Ctrl-C or SIGTERM."""

import http.client
import signal
import socket
import subprocess

import pytest
from review_server import Server

from foils.errors import FolderError, InputError
from foils.reviewing.server import held, listening


@pytest.fixture
def server(world):
    with Server.started(world, "--labels", "70") as started:
        yield started


def test_it_answers_ends_by_ctrl_c_and_goes_on(world, server):
    assert server.address.startswith(f"http://127.0.0.1:{server.port}/?token=")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    for path, status in ((server.address.partition(f":{server.port}")[2], 200), ("/", 403)):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("server")) == (status, None)
        answer.read()
    connection.close()
    with pytest.raises(FolderError, match="is being labelled already"), held(world.out):
        pass
    code, said = server.end(signal.SIGINT)
    assert code == 0
    assert "0 of 70 are labelled; the same command goes on" in said
    assert "Traceback" not in said
    assert server.address.partition("token=")[2] not in said
    with held(world.out):
        pass


def test_it_is_terminated(server):
    code, said = server.end(signal.SIGTERM)
    assert code == 143
    assert "terminated; every label that was given is stored" in said


def test_the_socket_is_of_this_machine_alone():
    with listening(0) as opened:
        assert opened.getsockname()[0] == "127.0.0.1"
        with pytest.raises(InputError, match=rf"--port {opened.getsockname()[1]}: .*in use; choose another"):
            listening(opened.getsockname()[1])


def test_outside_addresses_are_not_listened_on():
    names = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
    outside = [name for name in names if "." in name and not name.startswith("127.")]
    if not outside:
        pytest.skip("this machine has no other address")
    with listening(0) as opened, pytest.raises(OSError, match="refused"):
        socket.create_connection((outside[0], opened.getsockname()[1]), timeout=2)
