"""The machines, and which clients each of them has."""

from machines import UPDATES, Machine

READERS = ["read_attribute", "read_attribute", "read_control", "walk", "poll"]
UPDATERS = ["update_shell", "update_odd_writes", "update_sendfile", "update_dd", "upload_given_up"]
# Where kernels have their files, if not as v8.
SYS = {"device": "devices/faux/tdx_host"}
V4 = {"remaining": "seamldr/num_remaining_updates"}
V2 = {**V4, "upload": "seamldr_upload"}
V1 = {**V2, "version": "tdx_tsm/version"}
# Options, layout, and whether it can be updated.
ROTATION = [
    ("abi=v1", V1, True), ("abi=v2", V2, True), ("abi=v3", V2, True), ("abi=v4,cpu=emr", V4, True),
    ("abi=v5,lps=1024", V4, True), ("abi=v6", V4, True), ("abi=v10,cpu=gnr", {"format": "0x200", "line": "2.0"}, True),
    ("abi=v6,erratum=seamret_invd_vmcs", {}, False), ("abi=v8,td_preserving=off", {}, False),
    ("abi=selector,layout=sys", {**SYS, "upload": "seamldr_upload"}, True),
    ("abi=v7,alias=seamldr_upload:seamldr/", V4, True), ("module=1.5.01", {}, False),
    ("clock=virtual,order=seed,seed=7", {}, True), ("updates=0", {}, False), ("cpu=srf,keys=intel", {}, False),
    ("abi=merged,layout=sys,lps=129", {**SYS, "format": "0x200"}, True),
]
# Kinds that hold no book.
FREE = {*READERS, "view", "nonsense", "cancel", "verbs", "td_life", "upload_anyhow", "test_firmware"}
# Kinds that count what they do themselves.
COUNTED_INSIDE = {
    "read_attribute", "poll", "walk", "update_shell", "update_odd_writes", "update_sendfile", "update_dd", "update_view",
    "update_kernels"}


def make_machines(tdxfs, work):
    updates = f"updates={UPDATES}"
    return [
        Machine(tdxfs, work, "v8", f"lps=4,{updates}", READERS + UPDATERS + [
            "td_life", "die_holding", "cancel", "nonsense", "snapshot", "fork", "update_view", "watch", "verbs"], keeper=True),
        Machine(tdxfs, work, "v9", f"abi=v9,lps=16,cpu=emr,{updates}", READERS + UPDATERS + [
            "td_life", "td_life", "die_holding", "nonsense", "view"], keeper=True, layout={"format": "0x200"}),
        Machine(tdxfs, work, "merged", f"abi=merged,layout=sys,lps=64,order=seed,{updates}", READERS + UPDATERS + [
            "td_life", "snapshot", "fork", "update_view", "watch", "verbs"], keeper=True, layout={**SYS, "format": "0x200"}),
        Machine(tdxfs, work, "faults", f"lps=4,{updates}", READERS + UPDATERS + [
            "update_with_fault", "update_with_fault", "upload_broken", "reboot", "offline", "td_life", "die_holding", "verbs"],
            keeper=True, faults=True),
        Machine(tdxfs, work, "remounted", f"lps=2,{updates}", READERS + UPDATERS[:3] + [
            "remount", "td_life", "die_holding"], keeper=True, state=True),
        Machine(tdxfs, work, "killed", f"lps=2,{updates}", READERS + UPDATERS[:3] + [
            "remount_killed", "td_life", "die_holding"], keeper=True, killed=True),
        Machine(tdxfs, work, "everybody", f"abi=v7,lps=4,{updates}", READERS + ["upload_anyhow"] * 5 + [
            "td_life", "die_holding"], layout=V4, chaos=True, faults=True),
        Machine(tdxfs, work, "test_firmware", "device=test_firmware", READERS[:4] + ["test_firmware"] * 3, tdx=False,
            faults=True),
        turn(Machine(tdxfs, work, "others", "", READERS + ["update_kernels"] * 2, faults=True), 0),
    ]


def turn(machine, number):
    """Gives the machine that takes them one after the other the options of this round."""
    options, layout, is_updated = ROTATION[number % len(ROTATION)]
    machine.become(options + f",updates={UPDATES}" * is_updated, layout, is_updated)
    return machine
