"""Names that lead to no disk that can be used."""

from __future__ import annotations

TITLE = "Names of disks"
INTRO = "The name given in `devices` leads to no disk that can be reserved safely. Nothing was changed on any disk."

_LOOK = "Look for the disk in `/dev/disk/by-id`; log in to the target, fix what lies between."
_WHOLE = "Reservations are for whole disks, and for disks that the target can reserve."

FAILURES = {
    "device-missing": (
        "no such device",
        "check its name, and the connection to the storage",
        "This node does not have the disk.",
        "The name is wrong, or the target is not connected.",
        _LOOK,
    ),
    "device-gone": (
        "dangling link, the device is gone",
        "check the connection to the storage",
        "The name is a link to a disk that is not there any more.",
        "The target was disconnected.",
        _LOOK,
    ),
    "device-unreadable": (
        "cannot be looked up: {answer}",
        "check the name",
        "The system could not even say what the name leads to.",
        "A folder in the path cannot be entered, or the name is too long.",
        "",
    ),
    "not-a-block-device": (
        "is {found}, not a disk",
        "name the disk's block device",
        "The name leads to something else than a disk.",
        "The name is wrong, or a file was put in the place of a device node.",
        "",
    ),
    "device-number-unknown": (
        "the kernel has no block device {number_of_device}",
        "remove this stale device node",
        "The device node is a leftover: nothing has its number.",
        "It was made by hand, or the disk was taken away.",
        "",
    ),
    "partition": (
        "is a partition; reservations are for whole disks",
        "name /dev/{whole}",
        _WHOLE,
        "A partition was named.",
        "Name the disk, best by `/dev/disk/by-id/`.",
    ),
    "driver-without-reservations": (
        "{found} has no persistent reservations",
        "name a shared disk",
        "The kernel's driver of this device cannot reserve anything.",
        "The wrong device was named.",
        "",
    ),
    "neither-scsi-nor-nvme": (
        "is neither a SCSI nor an NVMe disk; its driver has no persistent reservations",
        "name a SCSI or NVMe disk",
        "Only SCSI disks and NVMe namespaces can be reserved.",
        "The wrong device was named, or a virtual disk is attached by a driver that passes no reservations on.",
        "Attach the disk as SCSI (virtio-scsi, iSCSI, Fibre Channel) or NVMe.",
    ),
    "not-a-scsi-disk": (
        "is a SCSI device, but not a disk",
        "name a disk",
        "The SCSI device is of another kind: an enclosure, a tape, an optical drive.",
        "The wrong device was named.",
        "",
    ),
    "device-mapper-volume": (
        "is a device-mapper volume, not a disk: a reservation through it would cover the whole disk below",
        "name the disk",
        _WHOLE,
        "A logical volume, or an encrypted one, was named.",
        "Name the disk below it, best by `/dev/disk/by-id/`.",
    ),
    "map-without-path": (
        "is a multipath map without a path",
        "check the connection to the storage",
        "The multipath map has lost every path.",
        "The target is not connected, or the map is a leftover.",
        _LOOK,
    ),
    "map-over-nvme": (
        "is a multipath map over NVMe",
        "use the kernel's own NVMe multipath (nvme_core.multipath=Y)",
        "Reservations do not pass through dm-multipath over NVMe as they must.",
        "multipathd took NVMe disks for its own.",
        "Switch the kernel's NVMe multipath on, and leave NVMe out of multipath.conf.",
    ),
    "map-paths-gone": (
        "is a multipath map whose paths are all gone",
        "check the connection to the storage",
        "The kernel has taken away every path of the map.",
        "The target was disconnected; multipathd has not made the map anew.",
        _LOOK,
    ),
    "map-over-different-disks": (
        "is a multipath map over different disks ({found})",
        "give each disk its own identity, and make the map anew",
        "The paths of the map lead to disks with different identities, or with none.",
        "Two disks have one serial number, or a device node was given to another disk.",
        "",
    ),
    "path-of-map": (
        "is only one path of the multipath map {map_name}",
        "name /dev/mapper/{map_name}",
        "Over a single path the other paths would stay unregistered.",
        "A path was named where a map lies over it.",
        "",
    ),
    "neither-path-nor-wwid": (
        "is neither a path that begins with / nor a WWID",
        "name the disk by its path or WWID",
        "The name cannot be looked up.",
        "A relative path was given.",
        "",
    ),
    "not-a-wwid": (
        "is not a WWID",
        "name the disk by its path or WWID",
        "The name cannot be looked up.",
        "The name is misspelt.",
        "",
    ),
    "wwid-unknown": (
        "no disk with this WWID, and no path (a path begins with /)",
        "check the name, and the connection to the storage",
        "This node does not have the disk.",
        "The name is wrong, or the target is not connected.",
        _LOOK,
    ),
    "several-paths": (
        "several paths lead to this disk ({paths}) and no multipath map",
        "set up multipath, or name one path",
        "The disk has several device nodes, and nothing says which one to use.",
        "There is no multipath map on top of them.",
        "",
    ),
    "identity-missing": (
        "has no worldwide unique name[ (only model and serial number: {identity})], so it cannot be used beside other"
        " disks",
        "use it alone, or give it an identity at the target",
        "Several disks are fenced in the order of their identities, which must be the same on all nodes.",
        "The disk says no more than its model and serial number, which makers repeat, or nothing at all.",
        "Give it an NAA, EUI-64 or UUID at the storage, or use it alone.",
    ),
    "same-disk": (
        "is the same disk as {other}: {identity}",
        "name it once",
        "Two names lead to one disk.",
        "The disk stands twice in `devices`.",
        "",
    ),
    "leads-elsewhere": (
        "{name} leads to the disk {identity}",
        "remove the link, or correct it",
        "The guard looked for a disk by its identity and was led to another one.",
        "A link in `/dev` is wrong.",
        "",
    ),
}

WARNINGS: dict[str, tuple[str, str, str, str, str]] = {}

STEPS: dict[str, str] = {}
