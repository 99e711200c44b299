"""What the screen shows, as QEMU sees it: text, the frame buffer, and text again."""
import json
import os
import socket
import tempfile

from machine import BUILD, Machine


class Screen:
    """The machine's screen through QEMU's monitor (QMP)."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.file = self.sock.makefile("rw")
        self.file.readline()
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self.file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "return" in answer or "error" in answer:
                assert "return" in answer, answer
                return

    def dump(self, path):
        """Width, height and the pixels, three bytes each."""
        self.command("screendump", filename=path)
        with open(path, "rb") as f:
            data = f.read()
        magic, size, depth, pixels = data.split(b"\n", 3)
        assert magic == b"P6" and depth == b"255"
        width, height = map(int, size.split())
        assert len(pixels) == width * height * 3
        return width, height, pixels


def picture(x, y):
    """The pixel that fb_shows_a_picture of tests/user/fb.c draws."""
    return bytes((x & 255, y & 255, (x >> 8) * 16 + (y >> 8)))


def test_the_frame_buffer_is_on_the_screen():
    with tempfile.TemporaryDirectory() as tmp:
        path, image = os.path.join(tmp, "qmp"), os.path.join(tmp, "screen")
        with Machine(smp=2, initrd=os.path.join(BUILD, "test.ext2"), extra=["-qmp", f"unix:{path},server=on,wait=off"]) as m:
            m.login()
            screen = Screen(path)
            m.run("printf '\\033[2J\\033[1;1Hbefore\\033[25;1H' > /dev/tty0")
            text = screen.dump(image)
            assert text[:2] == (720, 400) and any(text[2])
            m.run("exec 3>/dev/fb0")
            width, height, pixels = screen.dump(image)
            assert (width, height) == (1024, 768) and not any(pixels), (width, height)
            out = m.run("/tests/fb")
            assert "not ok" not in out and "SKIP" not in out, out
            width, height, pixels = screen.dump(image)
            assert (width, height) == (1024, 768)
            want = b"".join(picture(x, y) for y in range(height) for x in range(width))
            assert pixels == want, "the picture is another"
            # The terminal goes on unseen, and shows it all when the screen is its own again.
            m.run("printf '\\033[2J\\033[1;1Hbefore\\033[2;1Hafter\\033[25;1H' > /dev/tty0")
            assert screen.dump(image)[2] == want
            m.run("exec 3>&-")
            again = screen.dump(image)
            assert again[:2] == (720, 400)
            row = 720 * 16 * 3
            assert again[2][:row] == text[2][:row], "the first line of text is another"
            assert any(again[2][row:2 * row]) and not any(text[2][row:2 * row])
            m.poweroff()


def test_without_an_adapter_there_is_none():
    with Machine(extra=["-vga", "none"]) as m:
        m.login()
        assert m.status("test -e /dev/fb0") == 1
        assert m.status("test -e /dev/mem") == 0
        m.poweroff()
