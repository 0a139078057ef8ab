from gateway.jobs.state import TERMINAL, TRANSITIONS, UNFINISHED, JobStatus, sources


def test_a_finished_job_never_changes_again():
    assert {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED} == TERMINAL
    assert all(source in UNFINISHED for target in JobStatus for source in sources(target))


def test_only_a_running_job_succeeds_or_fails():
    assert sources(JobStatus.SUCCEEDED) == sources(JobStatus.FAILED) == [JobStatus.RUNNING]


def test_every_state_can_be_left_or_is_final():
    assert set(TRANSITIONS) == set(JobStatus)
