"""Plug-ins are found late, loaded apart from each other, and every failure is explained."""

import logging
import subprocess
import sys
import textwrap
import threading
import types

import pytest

from dovetail import plugins
from dovetail.errors import PluginError

BACKENDS = """
    from dovetail.hookspecs import hookimpl

    @hookimpl
    def dovetail_register_backends():
        return [{result}]
"""


def found(name):
    (record,) = [record for record in plugins.records() if record.name == name]
    return record


def test_records_read_metadata_and_import_nothing(install):
    install("dovetail-quiet", BACKENDS.format(result=""), version="0.3")
    record = found("quiet")
    assert (record.distribution, record.version, record.value) == ("dovetail-quiet", "0.3", "dovetail_quiet")
    assert (record.state, str(record)) == ("not loaded", "dovetail-quiet 0.3")
    assert "dovetail_quiet" not in sys.modules


def test_load_registers_the_hooks(install):
    install("dovetail-quiet", BACKENDS.format(result="'a backend'"))
    plugins.load()
    assert (found("quiet").state, found("quiet").hooks) == ("loaded", ["dovetail_register_backends"])
    assert plugins.manager().has_plugin("quiet")
    assert (found("quiet"), ["a backend"]) in plugins.call("dovetail_register_backends")


def test_load_of_one_leaves_the_others_alone(install):
    install("dovetail-one", BACKENDS.format(result=""))
    install("dovetail-two", BACKENDS.format(result=""))
    assert [record.name for record in plugins.load("one")] == ["one"]
    assert found("two").state == "not loaded"


def test_load_of_an_unknown_name(install):
    install("dovetail-acme", BACKENDS.format(result=""))
    with pytest.raises(PluginError, match=r"no plug-in 'acmee'; there .*; did you mean 'acme'\?$"):
        plugins.load("acmee")


def test_a_hook_is_asked_once(install):
    install("dovetail-count", "asked = []\n" + textwrap.dedent(BACKENDS.format(result="asked.append(1)")))
    for _ in range(3):
        plugins.call("dovetail_register_backends")
    assert sys.modules["dovetail_count"].asked == [1]


def test_missing_dependency_explains_the_failed_look_up(install):
    install("dovetail-acme", "import acme_arrays", version="0.3")
    plugins.load()
    assert plugins.explain_missing("backend", "acme", ["cuda", "cpu"]) == (
        "no backend 'acme'; there are 'cpu', 'cuda'; dovetail-acme 0.3 did not load: "
        "ModuleNotFoundError: No module named 'acme_arrays'; try: pip install acme-arrays"
    )


@pytest.mark.parametrize(
    ("source", "requires", "advice"),
    [
        ("import acme_arrays", ["Acme.Arrays>=2"], "pip install Acme.Arrays"),
        ("import acme", ["acme>=2 ; extra == 'chip'"], "pip install 'dovetail-needs[chip]'"),
        ("import json.nothing", [], "pip install --upgrade json"),
        ("import dovetail.nothing.more", [], ""),  # the error says it itself
        ("raise ModuleNotFoundError('no part', name='dovetail.nothing.more')", [], "pip install dovetail-nothing"),
        ("raise ImportError('libacme.so')", [], ""),
    ],
)
def test_advice_after_a_failed_import(install, source, requires, advice):
    install("dovetail-needs", source, requires=requires)
    plugins.load("needs")
    assert (found("needs").state, found("needs").advice) == ("failed", advice)


def test_a_module_that_is_gone(install, tmp_path):
    install("dovetail-gone", "")
    (tmp_path / "dovetail_gone.py").unlink()
    plugins.load("gone")
    assert found("gone").complaints() == [
        "dovetail-gone 1.0 did not load: ModuleNotFoundError: No module named 'dovetail_gone'; "
        "try: pip install --force-reinstall dovetail-gone"
    ]


def test_error_has_its_place(install, tmp_path):
    install("dovetail-deep", "def check():\n    raise OSError('no card\\nin slot 3')\n\ncheck()")
    plugins.load("deep")
    assert found("deep").error == "OSError: no card; in slot 3"
    assert found("deep").location == f"{tmp_path / 'dovetail_deep.py'}:2, in check"


def test_syntax_error_has_its_place(install, tmp_path):
    install("dovetail-syntax", "x = 1\ny = = 2\n")
    plugins.load("syntax")
    assert found("syntax").location == f"{tmp_path / 'dovetail_syntax.py'}:2"


def test_exit_is_caught(install):
    install("dovetail-leaver", "import sys\nsys.exit(3)")
    plugins.load("leaver")
    assert found("leaver").error == "SystemExit: 3 (it called sys.exit)"


def test_interrupt_passes_and_loading_can_go_on(install, monkeypatch):
    install(
        "dovetail-slow",
        "import os\nif 'PRESSED' in os.environ:\n    raise KeyboardInterrupt\n"
        + textwrap.dedent(BACKENDS.format(result="")),
    )
    monkeypatch.setenv("PRESSED", "ctrl-c")
    with pytest.raises(KeyboardInterrupt):
        plugins.load()
    assert found("slow").state == "not loaded"
    monkeypatch.delenv("PRESSED")
    plugins.load()
    assert found("slow").state == "loaded"


def test_output_is_kept_and_not_shown(install, capsys):
    install("dovetail-loud", "import sys\nprint('hello')\nprint('oh', file=sys.stderr, flush=True)\n")
    plugins.load()
    assert found("loud").output == "hello\noh\n"
    assert capsys.readouterr() == ("", "")


def test_a_stream_kept_by_a_plugin_works_afterwards(install, capsys):
    install(
        "dovetail-logger",
        "import logging, sys\nlog = logging.getLogger('acme')\nlog.propagate = False\n"
        "log.addHandler(logging.StreamHandler(sys.stdout))\nlog.warning('early')\n",
    )
    plugins.load("logger")
    assert found("logger").output == "early\n"
    logging.getLogger("acme").warning("late")
    assert capsys.readouterr().out == "late\n"


def test_other_threads_may_print_meanwhile(install, capsys):
    install(
        "dovetail-waits",
        """
        import threading
        thread = threading.Thread(target=print, args=["from a thread"])
        thread.start()
        thread.join()
        """,
    )
    plugins.load("waits")
    assert found("waits").output == ""
    assert capsys.readouterr().out == "from a thread\n"


def test_two_packages_with_one_name(install):
    install("acme-dovetail", BACKENDS.format(result=""), name="acme")
    install("dovetail-acme", BACKENDS.format(result=""), name="acme", version="0.3")
    plugins.load()
    both = [record for record in plugins.records() if record.name == "acme"]
    assert [record.state for record in both] == ["failed", "failed"]
    for record in both:
        assert record.error == (
            "2 plug-ins are called 'acme': acme-dovetail 1.0 (acme_dovetail) and dovetail-acme 0.3 (dovetail_acme); "
            "none of them is loaded"
        )
        assert record.advice == "pip uninstall acme-dovetail or pip uninstall dovetail-acme"
    assert not {"acme_dovetail", "dovetail_acme"} & set(sys.modules)


def test_broken_metadata_hides_nothing(install, tmp_path):
    install("dovetail-fine", BACKENDS.format(result=""))
    bad = install("dovetail-bad", "")
    (bad / "entry_points.txt").write_bytes(b"[dovetail]\n\xff\xfe")
    nameless = install("dovetail-nameless", "")
    (nameless / "METADATA").write_text("")
    plugins.load()
    assert found("fine").state == "loaded"


def test_limits(install, monkeypatch):
    for name in ("one", "two", "three"):
        install(f"dovetail-{name}", BACKENDS.format(result=""))
    monkeypatch.setenv(plugins.ENVIRONMENT, "one, dovetail-two, four")
    plugins.load()
    assert [found(name).state for name in ("one", "two", "three")] == ["loaded", "loaded", "disabled"]
    assert plugins.unknown_limits() == ["four"]
    assert plugins.explain_missing("backend", "three", ["cpu"]).startswith(
        "no backend 'three'; there is only 'cpu'; dovetail-three 1.0 is left out: "
        "DOVETAIL_PLUGINS='one, dovetail-two, four' does not name it"
    )


def test_the_left_out_are_counted_where_they_have_nothing_to_do_with_the_name(monkeypatch):
    monkeypatch.setattr(plugins, "discover", lambda: [plugins.PluginRecord(name) for name in ("one", "two", "three")])
    monkeypatch.setenv(plugins.ENVIRONMENT, "one")
    plugins.reset()
    assert plugins.explain_missing("backend", "acme", ["cpu"]) == (
        "no backend 'acme'; there is only 'cpu'; 2 plug-ins are left out by DOVETAIL_PLUGINS='one'; "
        "see: dovetail plugins"
    )
    monkeypatch.setenv(plugins.ENVIRONMENT, "one,two")
    plugins.reset()
    assert "; 1 plug-in is left out by DOVETAIL_PLUGINS='one,two'; " in plugins.explain_missing("backend", "acme", [])
    plugins.reset()


def test_empty_limit_leaves_all_out(install, monkeypatch):
    install("dovetail-one", "raise AssertionError")
    monkeypatch.setenv(plugins.ENVIRONMENT, "")
    plugins.load()
    assert {record.state for record in plugins.records()} == {"disabled"}


def test_retry_after_the_cause_has_passed(install, tmp_path):
    install("dovetail-later", "import later_arrays\n" + textwrap.dedent(BACKENDS.format(result="'there'")))
    plugins.load()
    assert found("later").state == "failed"
    (tmp_path / "later_arrays.py").write_text("")
    plugins.load()
    assert found("later").state == "failed"
    install("dovetail-newcomer", BACKENDS.format(result=""))
    plugins.retry()
    assert (found("later").state, found("newcomer").state) == ("loaded", "loaded")
    assert (found("later"), ["there"]) in plugins.call("dovetail_register_backends")


def test_retry_keeps_what_was_registered_here(install):
    kept = types.SimpleNamespace()
    plugins.register(kept, "kept")
    plugins.retry()
    assert found("kept").state == "loaded"
    assert plugins.manager().get_plugin("kept") is kept


def test_register_refuses(install):
    first, second = types.SimpleNamespace(), types.SimpleNamespace()
    plugins.register(first, "mine")
    with pytest.raises(PluginError, match="a plug-in called 'mine' is registered already; unregister it first"):
        plugins.register(second, "mine")
    with pytest.raises(PluginError, match="SimpleNamespace is registered already, as plug-in 'mine'"):
        plugins.register(first, "yours")
    with pytest.raises(PluginError, match="no plug-in 'yours' was registered in this process; registered: 'mine'"):
        plugins.unregister("yours")
    plugins.unregister("mine")
    plugins.register(second, "mine")


def test_entry_point_and_registered_plugin_of_one_name(install):
    plugins.register(types.SimpleNamespace(), "acme")
    install("dovetail-acme", "")
    plugins.load()
    assert [record.error for record in plugins.records() if record.name == "acme"] == [
        "a plug-in called 'acme' is registered already",
        "",
    ]


def test_listeners_hear_of_changes(install, monkeypatch):
    monkeypatch.setattr(plugins, "_listeners", [])
    heard = []
    plugins.on_change(lambda: heard.append(1))
    plugins.register(types.SimpleNamespace(), "mine")
    plugins.unregister("mine")
    assert len(heard) == 2
    install("dovetail-one", "")
    plugins.load()
    plugins.load()
    assert len(heard) == 3
    plugins.reset()
    assert len(heard) == 4


def test_a_plugin_may_ask_for_plugins_while_it_loads(install):
    install("dovetail-asks", "from dovetail import plugins\nplugins.call('dovetail_register_backends')")
    install("dovetail-zero", BACKENDS.format(result="0"))
    plugins.load()
    assert (found("asks").state, found("zero").state) == ("loaded", "loaded")


def test_threads_load_each_plugin_once(install, monkeypatch):
    monkeypatch.setattr(sys, "times_loaded", 0, raising=False)
    install("dovetail-once", "import sys\nsys.times_loaded += 1\n")
    threads = [threading.Thread(target=plugins.load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found("once").state, sys.times_loaded) == ("loaded", 1)


def test_many_failures_are_cut_short(install):
    for number in range(5):
        install(f"dovetail-bad{number}", f"raise ValueError({number})")
    install("dovetail-wanted", "raise ValueError('this one first')")
    plugins.load()
    text = plugins.explain_missing("backend", "wanted", ["cpu"])
    assert text.startswith("no backend 'wanted'; there is only 'cpu'; dovetail-wanted 1.0 did not load")
    assert text.count("did not load") == 3
    assert text.endswith("; see: dovetail plugins")


def test_import_of_the_module_looks_for_nothing(install):
    install("dovetail-unseen", "raise AssertionError")
    code = "import sys; from dovetail import plugins; print(plugins._records, 'dovetail_unseen' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "None False\n"
