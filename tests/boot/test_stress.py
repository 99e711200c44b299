"""The stress programs on several CPUs, release and debug; memory is as it was afterwards, to the frame and the object."""
from machine import HANG, Machine

PROGRAMS = ["forkstress", "cowstress", "mmapstress", "filemapstress", "futexstress"]


def without_leak(m, name, work, seconds):
    """Do the work twice; the first is the warm-up: the shell's heap and what is kept for good grow once."""
    work(1)
    m.free_frames(), m.objects()
    frames, objects = m.free_frames(), m.objects()
    assert work(seconds) == 0, m.text()[-2000:]
    frames_after, objects_after = m.free_frames(), m.objects()
    assert frames_after == frames, f"{name}: {frames - frames_after} KiB of memory are missing"
    assert objects_after == objects, f"{name}: objects before {objects}, after {objects_after}"


def stress(variant, smp, seconds):
    with Machine(variant=variant, smp=smp, timeout=seconds + HANG) as m:
        m.login()
        for program in PROGRAMS:
            without_leak(m, program, lambda length, program=program: m.status(f"{program} -s {length} -r 42 -w 4"), seconds)
        m.poweroff()


def test_stress_programs_with_1_cpu():
    stress("release", 1, 10)


def test_stress_programs_with_4_cpus():
    stress("release", 4, 10)


def test_stress_programs_with_2_cpus_and_all_checks():
    stress("debug", 2, 5)


def test_all_stress_programs_together():
    with Machine(variant="debug", smp=4) as m:
        m.login()
        without_leak(m, "torture", lambda length: m.status(f"torture -s {length} -r 99"), 15)
        m.poweroff()
