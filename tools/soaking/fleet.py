"""The machines, and which clients each of them has."""

from machines import UPDATES, Machine

READERS = ["read_attribute", "read_attribute", "read_control", "walk", "poll"]
UPDATERS = ["update_shell", "update_odd_writes", "update_sendfile", "update_dd", "upload_given_up"]
ROTATION = [
    "abi=v1", "abi=v2", "abi=v3", "abi=v4,cpu=emr", "abi=v5,lps=1024", "abi=v6,erratum=seamret_invd_vmcs", "abi=v10,cpu=gnr",
    "abi=v8,td_preserving=off", "abi=selector,layout=sys", "abi=v7,alias=seamldr_upload:seamldr/", "module=1.5.01",
    "clock=virtual,order=seed,seed=7", "updates=0", "cpu=srf,keys=intel", "abi=merged,layout=sys,lps=129",
]
# Kinds that hold no book.
FREE = {*READERS, "nonsense", "cancel", "verbs", "td_life", "upload_anyhow", "test_firmware"}
# Kinds that count what they do themselves.
COUNTED_INSIDE = {"read_attribute", "poll", "walk", "update_shell", "update_odd_writes", "update_sendfile", "update_dd"}


def make_machines(tdxfs, work):
    updates = f"updates={UPDATES}"
    return [
        Machine(tdxfs, work, "v8", f"lps=4,{updates}", READERS + UPDATERS + [
            "td_life", "die_holding", "cancel", "nonsense", "snapshot", "watch", "verbs"], keeper=True),
        Machine(tdxfs, work, "v9", f"abi=v9,lps=16,cpu=emr,{updates}", READERS + UPDATERS + [
            "td_life", "td_life", "die_holding", "nonsense"], keeper=True, image="0x200"),
        Machine(tdxfs, work, "merged", f"abi=merged,layout=sys,lps=64,order=seed,{updates}", READERS + UPDATERS + [
            "td_life", "snapshot", "watch", "verbs"], keeper=True, image="0x200", device="devices/faux/tdx_host"),
        Machine(tdxfs, work, "faults", f"lps=4,{updates}", READERS + UPDATERS + [
            "update_with_fault", "update_with_fault", "upload_broken", "reboot", "offline", "td_life", "die_holding", "verbs"],
            keeper=True, faults=True),
        Machine(tdxfs, work, "remounted", f"lps=2,{updates}", READERS + UPDATERS[:3] + [
            "remount", "td_life", "die_holding"], keeper=True, state=True),
        Machine(tdxfs, work, "killed", f"lps=2,{updates}", READERS + UPDATERS[:3] + [
            "remount_killed", "td_life", "die_holding"], keeper=True, killed=True),
        Machine(tdxfs, work, "everybody", f"abi=v7,lps=4,{updates}", READERS + ["upload_anyhow"] * 5 + [
            "td_life", "die_holding"], remaining="seamldr/num_remaining_updates", chaos=True, faults=True),
        Machine(tdxfs, work, "test_firmware", "device=test_firmware", READERS[:4] + ["test_firmware"] * 3, tdx=False,
            faults=True),
        Machine(tdxfs, work, "others", ROTATION[0], READERS, tdx=False, faults=True),
    ]
