from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wmil_envs.llm.database import SCHEMA_VERSION
from wmil_envs.llm.errors import StoreError
from wmil_envs.llm.owner import is_gone, this_owner
from wmil_envs.llm.question import Question
from wmil_envs.llm.store import Store

N_KEYS, N_THREADS, N_PROCESSES = 64, 8, 4
ANSWER = {"verdicts": [{"action": action, "goal": 0.0} for action in range(8)]}


def question(number: int) -> Question:
    return Question("judge", {"number": number}, {"model": "m"})


def questions(n: int = N_KEYS) -> list[Question]:
    return [question(number) for number in range(n)]


def put(store: Store, one: Question, answer: dict = ANSWER, again: bool = False) -> None:
    store.put(one, answer, model="m", input_tokens=7, output_tokens=None, seconds=0.5, attempts=2, again=again)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def test_an_answer_is_found_by_its_key_in_another_connection(path: Path) -> None:
    put(Store(path), question(1))
    found = Store(path).get([question(1).key, question(2).key])
    assert list(found) == [question(1).key]
    record = found[question(1).key]
    assert record.answer == ANSWER
    assert record.question == question(1).canonical
    assert record.key == question(1).key
    assert (record.model, record.input_tokens, record.output_tokens, record.attempts) == ("m", 7, None, 2)
    assert record.asked_at.endswith("+00:00")


def test_reading_makes_no_file(path: Path) -> None:
    store = Store(path)
    assert store.get([question(1).key]) == {}
    assert list(store.records()) == []
    assert store.canaries() == (0, 0)
    assert not path.exists()


def test_records_are_in_the_order_of_their_questions(path: Path) -> None:
    store = Store(path)
    for number in (3, 1, 2):
        put(store, question(number))
    asked = [record.question for record in store.records()]
    assert asked == sorted(asked)
    assert len(asked) == 3


def test_the_first_answer_stands_unless_it_is_asked_again(path: Path) -> None:
    store, other = Store(path), {"verdicts": [{"action": 0, "goal": 1.0}]}
    put(store, question(1))
    put(store, question(1), other)
    assert store.get([question(1).key])[question(1).key].answer == ANSWER
    put(store, question(1), other, again=True)
    assert store.get([question(1).key])[question(1).key].answer == other


def test_a_claim_lasts_until_it_is_answered_released_or_over(path: Path) -> None:
    store, three = Store(path), questions(3)
    assert store.claim(three, 60.0).ours == {one.key for one in three}
    assert store.claim(three, 60.0).others == {one.key for one in three}
    put(store, three[0])
    store.release([three[1].key])
    answered, ours, others = store.claim(three, -1.0)
    assert (set(answered), ours, others) == ({three[0].key}, {three[1].key}, {three[2].key})
    assert store.claim(three, 60.0).ours == {three[1].key}, "over at once"
    assert store.claim(three[:1], 60.0, again=True).ours == {three[0].key}, "asked again although answered"


def test_nobody_releases_the_claims_of_others(path: Path) -> None:
    store = Store(path)
    with store.database.writing() as connection:
        connection.execute("INSERT INTO claims VALUES (?, 'somebody', ?)", (question(1).key, time.time() + 60.0))
    store.release([question(1).key])
    assert store.claim([question(1)], 60.0).others == {question(1).key}


def _claim_everything(path: Path, barrier: multiprocessing.synchronize.Barrier, results: multiprocessing.Queue) -> None:
    store = Store(path)
    barrier.wait()

    def claim_one_by_one(_: int) -> list[str]:
        return [key for one in questions() for key in store.claim([one], 60.0).ours]

    with ThreadPoolExecutor(N_THREADS) as threads:
        results.put([key for keys in threads.map(claim_one_by_one, range(N_THREADS)) for key in keys])
    barrier.wait()


def test_each_question_is_claimed_once_by_all_threads_of_all_processes(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(N_PROCESSES), context.Queue()
    arguments = (path, barrier, results)
    processes = [context.Process(target=_claim_everything, args=arguments) for _ in range(N_PROCESSES)]
    for process in processes:
        process.start()
    claimed = [key for _ in processes for key in results.get(timeout=60)]
    for process in processes:
        process.join(60)
    assert len(claimed) == len(set(claimed)) == N_KEYS


def test_claims_of_a_killed_process_are_free_at_once(path: Path) -> None:
    if not is_gone_is_known():
        pytest.skip("processes cannot be looked up here")
    _run_and_kill(path, "print(len(store.claim(questions, 3600.0).ours), flush=True); time.sleep(60)")
    assert len(Store(path).claim(questions(), 60.0).ours) == N_KEYS


def test_a_kill_while_recording_loses_nothing_that_was_put(path: Path) -> None:
    told = _run_and_kill(path, "[(put(store, one), print(number, flush=True)) for number, one in enumerate(questions)]")
    kept = list(Store(path).records())
    assert len(told) <= len(kept) <= len(told) + 1
    assert all(record.answer == ANSWER for record in kept)
    put(Store(path), question(10_000))


def is_gone_is_known() -> bool:
    return " " in this_owner()


def _run_and_kill(path: Path, command: str) -> list[str]:
    """What a process said before it was killed, right after its first words."""
    program = (
        f"import sys, time; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"from test_store import *\nstore, questions = Store({str(path)!r}), questions(5_000)\n"
        f"questions = questions if 'enumerate' in {command!r} else questions[:N_KEYS]\n{command}"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        return [first, *process.stdout.readlines()]


def test_this_process_is_not_gone_and_an_unknown_owner_is_never_said_to_be() -> None:
    assert not is_gone(this_owner())
    assert not is_gone("0123456789abcdef")
    assert not is_gone("another-machine 1 12345")
    if is_gone_is_known():
        place, pid, start = this_owner().rsplit(" ", 2)
        assert is_gone(f"{place} {pid} {int(start) + 1}"), "another process has the number now"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_forked_while_threads_write_opens_its_own_connections(path: Path) -> None:
    store, n_written = Store(path), 0
    put(store, question(0))
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=put, args=(store, question(number))) for number in (1, 2, 3)]
    is_over = threading.Event()

    def write() -> int:
        return sum(store.note_canary("m", fooled=False) is None for _ in iter(is_over.is_set, True))

    with ThreadPoolExecutor(2) as threads:
        writing = [threads.submit(write) for _ in range(2)]
        for child in children:
            time.sleep(0.02)
            child.start()
        for child in children:
            child.join(20)
        is_over.set()
        n_written = sum(one.result() for one in writing)
    assert [child.exitcode for child in children] == [0, 0, 0], "none waits for a lock that it inherited"
    assert len(list(store.records())) == 4
    assert store.canaries() == (n_written, 0)


def test_a_pickled_store_is_its_path(path: Path) -> None:
    store = Store(path)
    put(store, question(1))
    copy = pickle.loads(pickle.dumps(store))
    assert copy.get([question(1).key]) == store.get([question(1).key])


def test_threads_leave_few_connections_open(path: Path) -> None:
    store = Store(path)
    for _ in range(3):
        with ThreadPoolExecutor(N_THREADS) as threads:
            list(threads.map(lambda number: put(store, question(number)), range(N_KEYS)))
    assert len(store.database._process.idle) <= N_THREADS
    store.close()
    assert sorted(one.name for one in path.parent.iterdir()) == [path.name], "the log is merged when all are closed"


def test_a_file_that_is_no_store_is_refused(path: Path, tmp_path: Path) -> None:
    path.write_text("something else " * 100)
    with pytest.raises(StoreError, match="it is not a sqlite file; give the store another file name"):
        Store(path).get(["key"])
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE records (key)")
    connection.close()
    with pytest.raises(StoreError, match="is a database of another program"):
        Store(foreign).get(["key"])
    with pytest.raises(StoreError, match="is a database of another program"):
        put(Store(foreign), question(1))
    with pytest.raises(StoreError, match="its folder must exist"):
        put(Store(tmp_path / "nowhere" / "store.sqlite"), question(1))


def test_a_store_of_another_version_is_refused(path: Path) -> None:
    store = Store(path)
    put(store, question(1))
    store.close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match=f"store format {SCHEMA_VERSION + 1}.*update wmil-envs"):
        Store(path).get(["key"])


def test_a_read_only_store_is_read_and_says_so_when_written(path: Path) -> None:
    put(Store(path), question(1))
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        if os.access(path, os.W_OK):
            pytest.skip("this user may write everything")
        assert len(Store(path).get([question(1).key])) == 1
        with pytest.raises(StoreError, match="may not be written"):
            put(Store(path), question(2))
    finally:
        path.parent.chmod(0o755)


def test_a_full_disk_is_a_clear_error_and_the_store_stays_readable(path: Path) -> None:
    store = Store(path)
    put(store, question(0))
    with store.database.reading() as connection:
        assert connection is not None
        connection.execute("PRAGMA max_page_count = 30")
    numbers = iter(range(1, 10_000))
    with pytest.raises(StoreError, match=r"the disk is full.*those before it were and can be read"):
        deque((put(store, question(number)) for number in numbers), maxlen=0)
    n_put = next(numbers) - 1
    assert len(list(store.records())) == n_put
    assert len(Store(path).get([question(0).key])) == 1
    put(store, question(n_put))
    assert len(list(store.records())) == n_put + 1, "there is room again, and the one that failed was asked again"


def test_a_file_that_may_not_grow_is_a_clear_error_too(path: Path) -> None:
    program = (
        f"import resource, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom test_store import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        f"store = Store({str(path)!r})\n"
        "try:\n    [put(store, one) for one in questions(5_000)]\n"
        "except StoreError as error:\n    print(error)\nprint(len(list(store.records())))"
    )
    pytest.importorskip("resource")
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    sentence, n_readable = ran.stdout.splitlines()
    assert "the disk is full or failing" in sentence
    assert 10 < int(n_readable) == len(list(Store(path).records()))


def test_an_error_inside_a_transaction_undoes_it(path: Path) -> None:
    store = Store(path)
    put(store, question(1))

    def delete_and_fail() -> None:
        with store.database.writing() as connection:
            connection.execute("DELETE FROM records")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        delete_and_fail()
    assert len(list(store.records())) == 1


def test_a_name_that_is_no_text_is_kept_as_far_as_it_can_be(path: Path) -> None:
    store = Store(path)
    store.put(question(1), ANSWER, model="\ud800m" * 500, input_tokens=1, output_tokens=1, seconds=1.0, attempts=1)
    assert store.get([question(1).key])[question(1).key].model.startswith("?m?m")


def test_canaries_are_counted(path: Path) -> None:
    store = Store(path)
    for fooled in (False, True, False):
        store.note_canary("m", fooled=fooled)
    assert store.canaries() == (3, 1)


def test_the_key_is_the_hash_of_the_canonical_question() -> None:
    one = Question("judge", {"b": 1, "a": "é"}, {"model": "m"}, sample=2)
    assert json.loads(one.canonical)["content"] == {"a": "é", "b": 1}
    assert one.canonical.isascii()
    assert one.key == Question("judge", {"a": "é", "b": 1}, {"model": "m"}, sample=2).key
    assert one.key != Question("judge", {"a": "é", "b": 1}, {"model": "m"}, sample=1).key
