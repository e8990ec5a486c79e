"""Nothing that was acknowledged is lost when the power goes; and the test itself would notice: with
syncing switched off it loses. tests/powercut/run does it as often as you like."""
import powercut
from harness import main


def test_acknowledged_readings_survive_a_power_cut(box):
    acked, lost = powercut.run(box, 3)
    assert acked > 1000 and lost == 0


def test_without_syncing_the_same_test_loses(box):
    acked, lost = powercut.run(box, 2, no_sync=True)
    assert lost > 0, f"nothing of {acked} was lost although nothing was synced: the test proves nothing"


def test_acknowledged_messages_and_sessions_survive_a_power_cut(box):
    acked, missing = powercut.run_broker(box, 4)
    assert acked > 100 and missing == 0


def test_without_syncing_messages_are_lost(box):
    acked, missing = powercut.run_broker(box, 2, no_sync=True)
    assert missing > 0, f"nothing of {acked} was lost although nothing was synced: the test proves nothing"


main(globals())
