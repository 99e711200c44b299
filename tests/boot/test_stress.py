"""The stress programs on several CPUs, release and debug; memory is as it was afterwards."""
from machine import Machine

PROGRAMS = ["forkstress", "cowstress", "mmapstress", "filemapstress", "futexstress"]


def stress(variant, smp, seconds):
    with Machine(variant=variant, smp=smp, timeout=seconds * 6 + 120) as m:
        m.login()
        for program in PROGRAMS:
            m.run(f"{program} -s 1 -r 1")
            before = m.free_frames()
            out = m.run(f"{program} -s {seconds} -r 42 -w 4; echo status=$?")
            assert "status=0" in out, f"{program}: {out}"
            after = m.free_frames()
            assert after == before, f"{program}: {before - after} KiB of memory are missing"
        m.poweroff()


def test_stress_programs_with_1_cpu():
    stress("release", 1, 10)


def test_stress_programs_with_4_cpus():
    stress("release", 4, 10)


def test_stress_programs_with_2_cpus_and_all_checks():
    stress("debug", 2, 5)


def test_all_stress_programs_together():
    with Machine(variant="debug", smp=4, timeout=300) as m:
        m.login()
        m.run("torture -s 2 -r 1", 120)
        before = m.free_frames()
        out = m.run("torture -s 15 -r 99; echo status=$?", 240)
        assert "status=0" in out, out
        after = m.free_frames()
        assert after == before, f"{before - after} KiB of memory are missing"
        m.poweroff()
