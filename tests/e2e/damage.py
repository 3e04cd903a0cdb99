"""Damages a store in every way that a disk or a person can: the program says what is wrong and what to do, doctor
names it, repair and restore bring back what can be brought back, and nothing is skipped in silence."""

import glob
import os
import shutil

from otlp import post
from senders import VIEWS, request
from service import Service, main, require

SEGMENT_HEADER = 48


class Case:
    """A store in a folder of its own, with requests acknowledged and not loaded."""

    def __init__(self, program, folder, name):
        self.program = program
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        self.store = os.path.join(self.folder, "store.duckdb")
        self.log = self.store + ".log"

    def send(self, first, last):
        """Requests that a service acknowledged before it was killed, each a group of its own: killed before it loads
        them, which it does after 1.5 s."""
        with Service(self.program, self.store) as service:
            for number in range(first, last):
                require(post(service.http, "logs", request("logs", f"x-{number}", 2)), "not acknowledged")
            service.kill()

    def segment(self):
        """The newest segment."""
        return sorted(glob.glob(os.path.join(self.log, "*.segment")))[-1]

    def change(self, path, change):
        """Changes the bytes of a file."""
        with open(path, "rb") as file:
            whole = bytearray(file.read())
        changed = change(whole)
        with open(path, "wb") as file:
            file.write(whole if changed is None else changed)

    def there(self, store=None):
        """The numbers of the requests that are stored."""
        rows = self.program.query(store or self.store, f"select attributes->>'e2e.id' as id from {VIEWS['logs']}")
        return sorted({int(row["id"].split("/")[0].split("-")[1]) for row in rows})

    def doctor(self, *options, exits):
        """What the doctor says."""
        answer = self.program.ask_json("doctor", "--store", self.store, *options, exits=exits)
        return answer["problems"], answer["notes"]

    def refused(self, *words):
        """The service does not start, and its message has these words."""
        _, said = self.program.run("serve", "--store", self.store, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", exits=2)
        for word in words:
            require(word in said, f"the message does not say {word!r}: {said}")
        problems, _ = self.doctor(exits=1)
        told = " ".join(problem["what"] + " " + (problem["remedy"] or "") for problem in problems)
        for word in words:
            require(word in told, f"doctor does not say {word!r}: {told}")


def torn_write(case):
    """A group that was being written when the power went: never acknowledged, dropped, and said in the log."""
    case.send(0, 6)
    case.change(case.segment(), lambda whole: whole + whole[SEGMENT_HEADER : SEGMENT_HEADER + 60])
    with Service(case.program, case.store) as service:
        require("never acknowledged" in service.said(), "the torn write is not mentioned")
        service.stop()
    require(case.there() == list(range(6)), "a torn last write cost more than itself")
    case.doctor(exits=0)


def flipped_byte(case):
    """A byte in the middle of a segment: the store does not open until somebody decides."""
    case.send(0, 9)

    def flip(whole):
        whole[whole.index(b"x-4/1")] ^= 1

    case.change(case.segment(), flip)
    case.refused("damaged at byte", os.path.basename(case.segment()), "perfline doctor --repair")
    problems, _ = case.doctor("--repair", exits=1)
    require("lost: " in problems[0]["what"] and len(problems) == 1, f"repair does not say what is lost: {problems}")
    require(case.there() == [0, 1, 2, 3, 5, 6, 7, 8], f"repair kept {case.there()}")
    _, notes = case.doctor(exits=0)
    require(any("damaged segments are kept" in note["what"] for note in notes), f"the kept segment is not mentioned: {notes}")
    with Service(case.program, case.store) as service:
        require(post(service.http, "logs", request("logs", "x-9", 2)), "not acknowledged after the repair")
        service.stop()
    require(case.there() == [0, 1, 2, 3, 5, 6, 7, 8, 9], "the store does not go on after the repair")


def cut_segment(case):
    """A segment that lost its end, in the middle of an entry."""
    case.send(0, 9)
    case.change(case.segment(), lambda whole: whole[: whole.index(b"x-7/0") + 3])
    with Service(case.program, case.store) as service:
        # Nothing tells the last segment's missing end from a write that the power cut off.
        require("never acknowledged" in service.said(), "the cut is not mentioned")
        service.stop()
    require(case.there() == list(range(7)), f"a cut segment left {case.there()}")


def missing_log(case):
    """The log's folder is gone."""
    case.send(0, 3)
    with Service(case.program, case.store) as service:
        service.stop()
    case.send(3, 5)
    shutil.rmtree(case.log)
    problems, _ = case.doctor(exits=1)
    require("the segment log is gone" in problems[0]["what"] and problems[0]["remedy"], f"doctor says {problems}")
    with Service(case.program, case.store) as service:
        require("the segment log is gone" in service.said(), "the missing log is not mentioned")
        require(post(service.http, "logs", request("logs", "x-5", 2)), "not acknowledged without the old log")
        service.stop()
    require(case.there() == [0, 1, 2, 5], f"without its log the store has {case.there()}")
    case.doctor(exits=0)


def corrupt_store(case):
    """The DuckDB file itself: a backup, and the log that is left, bring everything back."""
    case.send(0, 4)
    require(case.there() == list(range(4)), "the first requests are not there")
    backup = os.path.join(case.folder, "backup")
    case.program.ask("backup", backup, "--store", case.store)
    case.send(4, 7)
    case.change(case.store, lambda whole: bytes(12_288) + bytes(whole[12_288:]))
    case.refused("open store", "perfline restore")
    restored = os.path.join(case.folder, "restored.duckdb")
    case.program.ask("restore", backup, "--store", restored)
    require(case.there(restored) == list(range(4)), "the backup does not hold what it held")
    # As the message says: the log that is left goes beside the restored store.
    shutil.rmtree(restored + ".log", ignore_errors=True)
    shutil.move(case.log, restored + ".log")
    require(case.there(restored) == list(range(7)), f"with the old log the restored store has {case.there(restored)}")


def corrupt_block(case):
    """A block of data that is only read when somebody asks for it."""
    case.send(0, 40)
    require(len(case.there()) == 40, "the requests are not there")
    # Checkpoints: rows go from DuckDB's log into its file.
    case.program.ask("prune", "--older-than", "3650d", "--store", case.store)
    with open(case.store, "rb") as file:
        sound = file.read()
    # The layout is DuckDB's own: whichever block is spoiled, doctor meets it.
    noticed = 0
    for block in range(12_288, len(sound), 262_144):
        spoiled = bytes(byte ^ 0xFF for byte in sound[block + 8 : block + 72])
        case.change(case.store, lambda _whole: sound[: block + 8] + spoiled + sound[block + 72 :])
        said = case.program.run_any("doctor", "--store", case.store)
        if "nothing is wrong" in said:
            # A free block: nobody reads it.
            continue
        require("Corrupt database file" in said and "perfline restore" in said, f"a spoiled block is met with: {said}")
        noticed += 1
    require(noticed >= 2, f"{noticed} spoiled blocks were noticed")


CASES = (torn_write, flipped_byte, cut_segment, missing_log, corrupt_store, corrupt_block)


def script(program, folder, _given):
    """Case after case, each over a store of its own."""
    for case in CASES:
        case(Case(program, folder, case.__name__))
        print(f"{case.__name__}: {case.__doc__.splitlines()[0]}")


if __name__ == "__main__":
    main(script, __doc__)
