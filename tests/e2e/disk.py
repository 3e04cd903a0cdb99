"""A disk that loses what was not synced: builds shim/disk.c, runs a program above it, and cuts its power."""

import os
import shutil
import subprocess

from service import Missing, require_program

PAGE = 4096
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shim", "disk.c")


def build(folder):
    """The shim as a library; made anew each time, it takes a second."""
    compiler = require_program("gcc", "gcc")
    library = os.path.join(folder, "disk.so")
    done = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE, "-ldl", "-lpthread"],
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise Missing(f"{SOURCE} does not compile\n{done.stderr.decode()}")
    return library


class Disk:
    """A folder of a program's files, and what of it would survive a power cut."""

    def __init__(self, folder, lie="", sync_us=0):
        self.library = build(folder)
        self.root = os.path.join(folder, "root")
        self.state = os.path.join(folder, "disk")
        self.fault = os.path.join(folder, "fault")
        self.lie = lie
        self.sync_us = sync_us
        os.mkdir(self.root)
        self.boot()

    def path(self, name):
        """A name within the folder."""
        return os.path.join(self.root, name)

    def environment(self):
        """What a program needs to run above this disk."""
        return {
            "LD_PRELOAD": self.library,
            "SHIM_ROOT": self.root,
            "SHIM_DISK": self.state,
            "SHIM_LIE": self.lie,
            "SHIM_FAULT": self.fault,
            "SHIM_SYNC_US": str(self.sync_us),
        }

    def refuse(self, word):
        """From now on the disk refuses: `full` or `sync`; "" nothing."""
        if word:
            with open(self.fault + ".new", "w", encoding="ascii") as file:
                file.write(word)
            os.rename(self.fault + ".new", self.fault)
        elif os.path.exists(self.fault):
            os.remove(self.fault)

    def boot(self):
        """What is there now counts as synced."""
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.rmtree(self.base(), ignore_errors=True)
        os.makedirs(os.path.join(self.state, "files"))
        shutil.copytree(self.root, self.base())

    def base(self):
        """The files as they were when the power came."""
        return self.root + ".base"

    def journal(self):
        """The changes of names and the syncs of folders, in order."""
        with open(os.path.join(self.state, "journal"), encoding="utf-8") as file:
            # A kill may have cut the last line.
            return [line.rstrip("\n").split("\t") for line in file if line.endswith("\n")]

    def syncs(self):
        """Every sync of a file: its number and its length."""
        with open(os.path.join(self.state, "syncs"), encoding="ascii") as file:
            return [tuple(map(int, line.split())) for line in file if line.endswith("\n")]

    def numbers(self):
        """The number of each file that was opened or made, by its newest name."""
        found, known = names(self.before(), self.journal(), lambda _place: True)
        numbers = {path: known.get(file, file) for path, file in found.items()}
        return {path: number for path, number in numbers.items() if isinstance(number, int)}

    def before(self):
        """The files that were there when the power came, each under the name that it had."""
        inside = [os.path.join(place, name) for place, _, names in os.walk(self.base()) for name in names]
        return {self.root + path.removeprefix(self.base()): self.root + path.removeprefix(self.base()) for path in inside}

    def shadow(self, number):
        """What the disk holds of a file."""
        try:
            with open(os.path.join(self.state, "files", str(number)), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def cut(self, chance, survivors):
        """Cuts the power, and boots what is left. The program must be dead. `survivors`: of what was not synced,
        `none`, `some` (each page and each change of names by chance) or `all` stays."""
        journal, before = self.journal(), self.before()
        kept = surviving(journal, chance, survivors)
        folders = {self.root + place.removeprefix(self.base()) for place, _, _ in os.walk(self.base())}
        folders |= {line[1] for place, line in enumerate(journal) if line[0] == "mkdir" and kept(place)}
        newest = {number: path for path, number in self.numbers().items()}
        known = names(before, journal, lambda _place: True)[1]
        image = self.root + ".image"
        shutil.rmtree(image, ignore_errors=True)
        for folder in sorted(folders):
            os.makedirs(image + folder.removeprefix(self.root), exist_ok=True)
        for path, file in names(before, journal, kept)[0].items():
            # A file whose folder did not survive cannot be found again.
            if os.path.dirname(path) not in folders:
                continue
            number, target = known.get(file, file), image + path.removeprefix(self.root)
            if isinstance(number, int):
                with open(target, "wb") as out:
                    out.write(self.content(number, newest.get(number), chance, survivors))
            else:
                shutil.copyfile(self.base() + number.removeprefix(self.root), target)
        shutil.rmtree(self.root)
        os.rename(image, self.root)
        self.boot()

    def content(self, number, path, chance, survivors):
        """A file after the cut: what was synced, and by chance some pages that were not."""
        synced = self.shadow(number)
        if survivors == "none" or path is None or not os.path.exists(path):
            return synced
        with open(path, "rb") as file:
            written = file.read()
        if survivors == "all":
            return written
        length = len(written) if chance.random() < 0.5 else len(synced)
        whole = bytearray(synced[:length].ljust(length, b"\0"))
        for at in range(0, length, PAGE):
            page = written[at : min(at + PAGE, length)]
            if page != whole[at : at + PAGE] and chance.random() < 0.5:
                whole[at : at + len(page)] = page
        return bytes(whole)


def surviving(journal, chance, survivors):
    """Which changes of names survive: those before a sync of their folder, and a part of the rest from its beginning."""
    durable, open_changes = set(), {}
    for place, line in enumerate(journal):
        if line[0] == "sync":
            durable.update(open_changes.pop(line[1], []))
        elif line[0] != "known":
            open_changes.setdefault(os.path.dirname(line[1]), []).append(place)
    rest = sorted(place for places in open_changes.values() for place in places)
    count = {"none": 0, "all": len(rest)}.get(survivors)
    durable.update(rest[: chance.randint(0, len(rest)) if count is None else count])
    return durable.__contains__


def names(before, journal, kept):
    """What stands behind each name after the changes that are kept: the number of a file that was made, or the name
    that it had before. And the numbers of those that were there before and were opened."""
    found, known = dict(before), {}
    for place, line in enumerate(journal):
        word, path = line[0], line[1]
        if word == "known":
            if path in found:
                known[found[path]] = int(line[2])
        elif word in ("sync", "mkdir") or not kept(place):
            continue
        elif word == "create":
            found[path] = int(line[2])
        elif word == "rename" and path in found:
            found[line[2]] = found.pop(path)
        elif word == "link" and path in found:
            found[line[2]] = found[path]
        elif word == "unlink":
            found.pop(path, None)
    return found, known
