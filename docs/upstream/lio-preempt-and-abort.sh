#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# PREEMPT AND ABORT on LIO over iSCSI, sent by an initiator that has writes of its own under way.
#
# For root, in a virtual machine that may be thrown away: it makes a RAM disk, a delay on it, an iSCSI target on loopback
# addresses, and two sessions to it with two initiator names, "victim" and "survivor". Both register. Then it shows one
# case:
#
#   (default)        the victim holds the reservation (WERO), the survivor has 8 direct writes in flight and sends
#                    PREEMPT AND ABORT
#   --preempt        the same, but the survivor sends PREEMPT: for comparison
#   --silent-victim  the victim holds the reservation, has sent a write that the store carries out 3 s later, and falls
#                    silent as if its power was gone; the survivor has no writes and sends PREEMPT AND ABORT
#   --late-write     the survivor holds the reservation; the victim has sent a write that the store carries out 8 s
#                    later; the survivor sends PREEMPT AND ABORT
#
#   --delay MS       what a write takes in the store (default 2)
#   --writers N      how many writes are under way, at most 8 (default 8)
#   --tries N        send so often, until something is wrong: it is not where no write is in the store just then
#                    (default 10)
#   --limit SECONDS  how long to wait for the answer (default 60)
#   --leave          do not take down at the end what was set up; it cannot be done anyway where the target hangs
#
# Needs: open-iscsi, sg3-utils, dmsetup, iproute2; a kernel with LIO (iblock, iSCSI), brd and dm-delay, built in or as
# modules. No targetcli. multipathd must not run.
#
# Exit status: 0 nothing wrong was seen, 1 something wrong was seen, 2 it could not be tried.

set -eu

NAME=lio-abort
IQN=iqn.2026-01.example.$NAME
SERIAL=5eed0000-0000-4000-8000-000000000001
RAM=/dev/ram0
CONFIGFS=/sys/kernel/config
STORE=$CONFIGFS/target/core/iblock_0/$NAME
GROUP=$CONFIGFS/target/iscsi/$IQN:disk/tpgt_1
victim_key=0x111
survivor_key=0x222
WERO=5
QUICK=500 # hundredths of a second

action=preempt-abort
case="survivor writes"
limit=60
tries=10
delay=2
writers=8
leave=
longest=0
wrong=
ready=

usage() {
	sed -n '3,/^$/s/^# \{0,1\}//p' "$0"
	exit 2
}

fail() {
	echo "cannot be tried: $*" >&2
	exit 2
}

bad() {
	wrong=1
	echo "WRONG: $*"
}

# Hundredths of a second, on a clock that nobody sets.
now() {
	read -r up _ </proc/uptime
	echo "${up%.*}${up#*.}"
}

since() {
	echo $(($(now) - $1))
}

seconds() {
	awk "BEGIN { printf \"%.2f s\", $1 / 100 }"
}

# A module, unless the kernel has it built in.
load() {
	modprobe -q "$@" 2>/dev/null || true
}

# An address for each (of those kept for documentation): the victim can be cut off without the survivor.
address() {
	case $1 in
	victim) echo 192.0.2.1 ;;
	survivor) echo 192.0.2.2 ;;
	esac
}

# Table of the delay: reads at once, writes after so many milliseconds.
delayed() {
	echo "0 $(cat "/sys/block/${RAM#/dev/}/size") delay $RAM 0 0 $RAM 0 $1"
}

dm() {
	dmsetup --noudevsync --noudevrules "$@"
}

check_machine() {
	[ "$(id -u)" = 0 ] || fail "needs root"
	for program in iscsiadm iscsid sg_persist sg_turs dmsetup ip pgrep timeout; do
		command -v $program >/dev/null || fail "$program is missing"
	done
	! pidof multipathd >/dev/null || fail "multipathd runs and would take the disks"
	load -a target_core_mod target_core_iblock iscsi_target_mod sd_mod sg iscsi_tcp dm-delay
	load brd rd_nr=1 rd_size=16384
	[ -b $RAM ] || fail "there is no $RAM (brd)"
	grep -q " $CONFIGFS configfs " /proc/mounts || mount -t configfs none $CONFIGFS
	[ -d $CONFIGFS/target ] || fail "this kernel has no LIO"
	[ ! -e $STORE ] && [ ! -e "${GROUP%/*}" ] || fail "$IQN is there already"
}

set_up_target() {
	dm create $NAME --table "$(delayed "$delay")"
	# LIO answers a registration with an error if it cannot write it there, whether it was asked to keep it or not.
	mkdir -p "$(cat $CONFIGFS/target/dbroot)/pr" $STORE
	echo "udev_path=/dev/dm-$(dm info -c --noheadings -o minor $NAME)" >$STORE/control
	echo 1 >$STORE/enable
	echo $SERIAL >$STORE/wwn/vpd_unit_serial
	mkdir -p $GROUP/lun/lun_0
	echo 0 >$GROUP/attrib/authentication
	ln -s $STORE $GROUP/lun/lun_0/store
	ip link set lo up
	for node in victim survivor; do
		mkdir -p "$GROUP/acls/$IQN:$node/lun_0"
		ln -s $GROUP/lun/lun_0 "$GROUP/acls/$IQN:$node/lun_0/store"
		# Where the address is gone again, nothing may leave this machine.
		ip route add blackhole "$(address $node)/32"
		ip address add "$(address $node)/32" dev lo
		mkdir "$GROUP/np/$(address $node):3260"
	done
	echo 1 >$GROUP/enable
}

start_iscsid() {
	mkdir -p /run/lock/iscsi
	[ -e /etc/iscsi/initiatorname.iscsi ] || echo "InitiatorName=$IQN:none" >/etc/iscsi/initiatorname.iscsi
	pidof iscsid >/dev/null || systemctl start iscsid 2>/dev/null || iscsid 3>&- 4>&-
}

# iscsiadm for the record of a node.
record() {
	node=$1
	shift
	iscsiadm -m node -T $IQN:disk -p "$(address "$node"):3260,1" -I "$NAME-$node" "$@"
}

log_in() {
	iscsiadm -m iface -I "$NAME-$1" -o new
	iscsiadm -m iface -I "$NAME-$1" -o update -n iface.initiatorname -v "$IQN:$1"
	record "$1" -o new
	# Not the usual 120 s: what becomes of the writes then shows soon.
	record "$1" -o update -n node.session.timeo.replacement_timeout -v 5
	record "$1" --login
}

# The session of a node, in sysfs.
session() {
	grep -lx "$NAME-$1" /sys/class/iscsi_session/session*/ifacename | sed 's,/ifacename$,,;q'
}

# A device node of a session's disk, once it is there: "block", or "scsi_generic".
disk() {
	for _ in $(seq 100); do
		for found in "$(readlink -f "$1/device")"/target*/*/"$2"/*; do
			if [ -e "/dev/${found##*/}" ]; then
				echo "/dev/${found##*/}"
				return
			fi
		done
		sleep 0.1
	done
	fail "no disk appeared for $1 ($2)"
}

# In the background; whoever reads what this script says need not wait for it.
apart() {
	{
		exec >/dev/null 2>&1 3>&- 4>&-
		"$@"
	} &
}

persist() {
	sg_persist --no-inquiry --out "$@"
}

# Writes past the page cache over and over, one at a time, until one fails: disk, number of the writer.
write_on() {
	while [ ! -e "$run/stop" ] && dd if=/dev/zero of="$1" bs=4096 count=500 seek=$(($2 * 500)) oflag=direct \
		conv=nocreat,notrunc status=none 2>"$run/error.$2"; do
		:
	done
}

start_writers() {
	for number in $(seq 0 $((writers - 1))); do
		apart write_on "$survivor" "$number"
	done
}

# A block of the victim's, which the store holds for so many seconds.
start_late_write() {
	dm suspend $NAME
	dm reload $NAME --table "$(delayed "${1}000")"
	dm resume $NAME
	head -c 4096 /dev/urandom >"$run/block"
	apart dd if="$run/block" of="$victim" bs=4096 count=1 oflag=direct conv=nocreat
	sleep 1
	! landed || fail "the store did not hold the write"
}

landed() {
	[ "$(dd if=$RAM bs=4096 count=1 iflag=direct status=none | sha256sum)" = "$(sha256sum <"$run/block")" ]
}

tell_late_write() {
	if landed; then
		echo "the victim's write is on the disk by now"
		return
	fi
	sleep 10
	if landed; then
		bad "the victim's write has reached the disk after $action was answered"
	else
		echo "the victim's write has not reached the disk"
	fi
}

# Both are registered, and one of them holds the reservation.
reserve() {
	# The first command after a change of reservations is answered with a unit attention.
	for each in "$victim_sg" "$survivor_sg"; do
		sg_turs "$each" >/dev/null 2>&1 || true
	done
	persist --register-ignore --param-sark=$survivor_key "$survivor_sg"
	persist --clear --param-rk=$survivor_key "$survivor_sg"
	sg_turs "$victim_sg" >/dev/null 2>&1 || true
	persist --register-ignore --param-sark=$victim_key "$victim_sg"
	persist --register-ignore --param-sark=$survivor_key "$survivor_sg"
	if [ "$1" = victim ]; then
		persist --reserve --param-rk=$victim_key --prout-type=$WERO "$victim_sg"
	else
		persist --reserve --param-rk=$survivor_key --prout-type=$WERO "$survivor_sg"
	fi
}

ask() {
	status=0
	persist "$@" >"$run/answer" 2>&1 || status=$?
	echo "$status $(now)" >"$run/answered.new"
	mv "$run/answered.new" "$run/answered"
}

# Sends the command, watches until it is answered or the limit is over, and says what it saw.
send() {
	set -- --$action --param-rk=$survivor_key --param-sark=$victim_key --prout-type=$WERO "$survivor_sg"
	[ -e "$run/answer" ] || echo "sends: sg_persist --out $*"
	echo "$mark $action is sent" >/dev/kmsg
	rm -f "$run/answered"
	start=$(now)
	apart ask "$@"
	watch
	if [ ! -e "$run/answered" ]; then
		bad "no answer to $action within $limit s"
		return
	fi
	read -r status end <"$run/answered"
	took=$((end - start))
	echo "answered after $(seconds $took), exit status of sg_persist $status"
	[ $took -le $QUICK ] || bad "$action took $(seconds $took)"
	# Where the connection was lost sg_persist says so, but its status is 0.
	[ "$status" = 0 ] && [ ! -s "$run/answer" ] || bad "$action failed: $(tr '\n' ' ' <"$run/answer")"
}

watch() {
	last_written=$(written) last_time=$start shown=
	until [ -e "$run/answered" ] || [ "$(since "$start")" -gt "${limit}00" ]; do
		look
		if [ -z "$shown" ] && [ "$(since "$start")" -gt 400 ]; then
			shown=1
			show_threads
		fi
		sleep 0.1
	done
}

# What the command has left behind shows a little later.
settle() {
	from=$(now)
	while [ "$(since "$from")" -lt 300 ] || { [ "$current" != LOGGED_IN ] && [ "$(since "$from")" -lt 800 ]; }; do
		look
		sleep 0.1
	done
}

# How the survivor fares at this moment: its session, and how long no write of it was completed.
look() {
	current=$(state) count=$(written) time=$(now)
	[ "$current" = "${states##* }" ] || states="$states $current"
	if [ "$count" != "$last_written" ]; then
		last_written=$count last_time=$time
	elif [ $((time - last_time)) -gt $longest ]; then
		longest=$((time - last_time))
	fi
}

state() {
	cat "$survivor_session/state" 2>/dev/null || echo gone
}

written() {
	awk '{ print $5 }' "/sys/block/${survivor#/dev/}/stat" 2>/dev/null || echo gone
}

# The target's receiving threads that wait for something else than the initiator.
waiting() {
	for thread in $(pgrep -x iscsi_trx); do
		! grep -q "^State:.D" "/proc/$thread/status" || echo "$thread"
	done
}

hangs() {
	[ -n "$(waiting)" ] && sleep 1 && [ -n "$(waiting)" ]
}

show_threads() {
	for thread in $(waiting); do
		echo "after $(seconds "$(since "$start")") the target's iscsi_trx waits in:"
		cat "/proc/$thread/stack" 2>/dev/null || cat "/proc/$thread/wchan"
	done
}

tell_survivor() {
	echo "state of the survivor's session: $states"
	[ "$states" = LOGGED_IN ] || bad "the survivor's session was lost"
	[ "$case" = "survivor writes" ] || return 0
	touch "$run/stop"
	echo "the survivor's longest time without a completed write, seen every 0.1 s: $(seconds $longest)"
	[ $longest -le $QUICK ] || bad "the survivor's writes stood still"
	failed=$(find "$run" -name 'error.*' -size +0 | wc -l)
	echo "writers of the survivor that ended with an error: $failed"
	[ "$failed" = 0 ] || bad "the survivor's writes failed: $(cat "$run"/error.* | sort | uniq -c)"
}

# Whether the target is still well: its threads, and new logins at the survivor's address.
tell_target() {
	! hangs || bad "$(seconds "$(since "$start")") after $action was sent a thread of the target still waits"
	if timeout 5 iscsiadm -m discovery -t sendtargets -p "$(address survivor)" -o nonpersistent >/dev/null 2>&1; then
		echo "a new login at the survivor's address: works"
	else
		bad "a new login at the survivor's address: no answer within 5 s"
	fi
	echo "kernel log since then:"
	dmesg | awk -v mark="$mark" 'index($0, mark) { found = 1 } found' | tail -n 40
}

# As if it had never been, unless the target hangs: then nothing of this would ever end.
take_down() {
	touch "$run/stop"
	if hangs; then
		echo "the target hangs, nothing can be taken down: reset this machine" >&3
		return
	fi
	wait
	for node in victim survivor; do
		record "$node" --logout
		record "$node" -o delete
		iscsiadm -m iface -I "$NAME-$node" -o delete
	done
	echo 0 >$GROUP/enable
	for node in victim survivor; do
		rm "$GROUP/acls/$IQN:$node/lun_0/store"
		rmdir "$GROUP/acls/$IQN:$node/lun_0" "$GROUP/acls/$IQN:$node" "$GROUP/np/$(address $node):3260"
		ip address del "$(address $node)/32" dev lo
		ip route del blackhole "$(address $node)/32"
	done
	rm $GROUP/lun/lun_0/store
	rmdir $GROUP/lun/lun_0 $GROUP "${GROUP%/*}" $STORE
	dm remove $NAME
	rm -r "$run" "$(cat $CONFIGFS/target/dbroot)/pr/aptpl_$SERIAL"
} >/dev/null 2>&1

finish() {
	status=$?
	set +e
	trap - EXIT INT TERM
	if [ -z "$ready" ]; then
		cat "$run/set-up" >&4
		status=2
	fi
	[ -n "$leave" ] || take_down
	exit $status
}

while [ $# -gt 0 ]; do
	case $1 in
	--preempt) action=preempt ;;
	--silent-victim) case="silent victim" ;;
	--late-write) case="late write" ;;
	--delay | --writers | --tries | --limit)
		[ $# -gt 1 ] || usage
		eval "${1#--}=\$2"
		shift
		;;
	--leave) leave=1 ;;
	*) usage ;;
	esac
	shift
done

check_machine
run=$(mktemp -d)
mark="$NAME.$$:"
exec 3>&1 4>&2 >"$run/set-up" 2>&1
trap finish EXIT
trap 'exit 2' INT TERM
set_up_target
start_iscsid
log_in victim
log_in survivor
survivor_session=$(session survivor)
victim=$(disk "$(session victim)" block)
survivor=$(disk "$survivor_session" block)
# Reservations go through these: whoever opens the block device may make the kernel drain its queue first.
victim_sg=$(disk "$(session victim)" scsi_generic)
survivor_sg=$(disk "$survivor_session" scsi_generic)
exec >&3 2>&4
ready=1
echo "Linux $(uname -r): victim $victim $victim_sg, survivor $survivor $survivor_sg, $case"

states=$(state)
case $case in
"survivor writes")
	start_writers
	for _ in $(seq "$tries"); do
		reserve victim
		sleep 1
		send
		[ -z "$wrong" ] || break
	done
	;;
"silent victim")
	reserve victim
	start_late_write 3
	ip address del "$(address victim)/32" dev lo
	send
	tell_late_write
	;;
"late write")
	reserve survivor
	start_late_write 8
	send
	tell_late_write
	;;
esac
settle
tell_survivor
tell_target
if [ -n "$wrong" ]; then
	echo "seen: something wrong"
	exit 1
fi
echo "seen: nothing wrong"
