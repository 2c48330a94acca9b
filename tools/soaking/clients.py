"""The clients: each kind is a function that does one thing to a machine, and is called over and over in a process of its own.

`do` has what it needs: the machine, a number of its own, a random generator, `count(operation)`, `note(outcome)` and
`is_over()`. Kinds that change the machine hold its book.
"""

import others
import readers
import updates

KINDS = {
    kind.__name__: kind for kind in (
        readers.read_attribute, readers.read_control, readers.poll, readers.walk, updates.update_shell,
        updates.update_odd_writes, updates.update_sendfile, updates.update_dd, updates.update_view, updates.update_kernels,
        updates.upload_given_up, updates.upload_broken, updates.update_with_fault, updates.reboot, updates.snapshot,
        updates.fork, updates.offline, updates.remount, updates.remount_killed, others.upload_anyhow, others.cancel,
        others.nonsense, others.watch, others.verbs, others.view, others.td_life, others.die_holding, others.test_firmware)
}
