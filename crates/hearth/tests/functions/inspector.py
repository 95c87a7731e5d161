"""Says what it can see of its environment and what it can do to it: `{"look": NAME, ...}`."""

import ctypes
import errno
import json
import os
import platform
import resource
import socket
import stat
import urllib.request

libc = ctypes.CDLL(None, use_errno=True)
# The numbers of system calls, by machine.
COLUMN = {"x86_64": 0, "aarch64": 1}[platform.machine()]
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x00020000
# Where a call takes a path or a structure, and it is to be refused before it looks there.
NOWHERE = ctypes.create_string_buffer(4096)
CALLS = [
    # name, numbers, arguments
    ("mount", (165, 40), (b"none", b"/tmp", b"tmpfs", 0, None)),
    ("umount2", (166, 39), (b"/tmp", 0)),
    ("pivot_root", (155, 41), (b"/tmp", b"/tmp")),
    ("chroot", (161, 51), (b"/tmp",)),
    ("unshare a user namespace", (272, 97), (CLONE_NEWUSER,)),
    ("unshare a mount namespace", (272, 97), (CLONE_NEWNS,)),
    ("setns", (308, 268), (0, 0)),
    ("clone3", (435, 435), (NOWHERE, 88)),
    ("open_tree", (428, 428), (-100, b"/", 1)),
    ("fsopen", (430, 430), (b"tmpfs", 0)),
    ("move_mount", (429, 429), (-100, b"/tmp", -100, b"/tmp", 0)),
    ("mount_setattr", (442, 442), (-100, b"/", 0, NOWHERE, 32)),
    ("ptrace", (101, 117), (16, 1, None, None)),
    ("process_vm_readv", (310, 270), (1, NOWHERE, 1, NOWHERE, 1, 0)),
    ("pidfd_getfd", (438, 438), (0, 0, 0)),
    ("setuid(0)", (105, 146), (0,)),
    ("setgid(0)", (106, 144), (0,)),
    ("capset all", (126, 91), ()),
    ("keyctl", (250, 219), (0, -3, 1)),
    ("add_key", (248, 217), (b"user", b"name", b"value", 5, -3)),
    ("bpf", (321, 280), (0, NOWHERE, 64)),
    ("perf_event_open", (298, 241), (NOWHERE, 0, -1, -1, 0)),
    ("userfaultfd", (323, 282), (0,)),
    ("io_uring_setup", (425, 425), (8, NOWHERE)),
    ("open_by_handle_at", (304, 265), (-100, NOWHERE, 0)),
    ("name_to_handle_at", (303, 264), (-100, b"/", NOWHERE, NOWHERE, 0)),
    ("init_module", (175, 105), (NOWHERE, 16, b"")),
    ("kexec_load", (246, 104), (0, 0, None, 0)),
    ("reboot", (169, 142), (0xFEE1DEAD, 672274793, 0, None)),
    ("swapon", (167, 224), (b"/tmp/swap", 0)),
    ("acct", (163, 89), (b"/tmp/acct",)),
    ("syslog", (103, 116), (3, NOWHERE, 4096)),
    ("sethostname", (170, 161), (b"host", 4)),
    ("settimeofday", (164, 170), (NOWHERE, None)),
    ("quotactl", (179, 60), (0x80000700, None, 0, NOWHERE)),
    ("fanotify_init", (300, 262), (0, 0)),
]
# The capability header of version 3, and everything asked for.
CAPABILITIES = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)
FILES = [
    "/root",
    "/etc/shadow",
    "/etc/ssh",
    "/etc/hearth",
    "/var/lib",
    "/var/log",
    "/mnt",
    "/sys",
    "/run",
    "/boot",
    "/srv",
    "/dev/kmsg",
    "/dev/mem",
    "/dev/sda",
    "/dev/vda",
    "/dev/loop0",
    "/dev/loop-control",
    "/dev/kvm",
    "/dev/net/tun",
    "/dev/fuse",
    "/proc/1/environ",
    "/proc/1/mem",
    "/proc/1/root",
    "/proc/1/fd",
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/vmallocinfo",
]
TUNABLES = [
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sysrq-trigger",
    "/proc/self/oom_score_adj",
    "/proc/self/uid_map",
    "/proc/self/setgroups",
]
PLACES = ["/", "/bin", "/dev", "/etc", "/home", "/home/sbx_user1051", "/lib", "/opt", "/proc"]
PLACES += ["/tmp", "/usr", "/usr/lib", "/var", "/var/lang", "/var/runtime", "/var/task"]


def handler(event, context):
    return LOOKS[event["look"]](event)


def named(error):
    return errno.errorcode.get(error.errno, str(error.errno))


def read(path):
    with open(path) as file:
        return file.read()


def identity(event):
    kinds = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"]
    fields = dict(line.split(":", 1) for line in read("/proc/self/status").splitlines())
    return {
        "status": {name: value.split() for name, value in fields.items()},
        "namespaces": {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in kinds},
        "groups": read("/proc/self/cgroup").splitlines(),
        "hostname": socket.gethostname(),
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
        "nproc": resource.getrlimit(resource.RLIMIT_NPROC),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
    }


def processes(event):
    seen = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            seen[name] = read(f"/proc/{name}/comm").strip()
    # Signals from inside do nothing to the first process, although they may be sent.
    os.kill(1, 9)
    os.kill(1, 15)
    return {"seen": seen, "own": os.getpid()}


def descriptors(event):
    seen = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            seen[name] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            pass  # That of the listing itself.
    return seen


def mounts(event):
    lines = [line.split(" ") for line in read("/proc/self/mounts").splitlines()]
    return [{"at": line[1], "kind": line[2], "flags": line[3].split(",")} for line in lines]


def writable(event):
    """Tries to make a file in every place, also where something is mounted."""
    places = PLACES + [mount["at"] for mount in mounts(event)]
    outcome = {}
    for place in sorted(set(places)):
        if os.path.isdir(place):
            try:
                path = os.path.join(place, "made-by-the-inspector")
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
                os.unlink(path)
                outcome[place] = "written"
            except OSError as error:
                outcome[place] = named(error)
    return outcome


def system_calls(event):
    outcome = {}
    for name, numbers, arguments in CALLS:
        if name == "capset all":
            arguments = CAPABILITIES
        ctypes.set_errno(0)
        given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
        result = libc.syscall(ctypes.c_long(numbers[COLUMN]), *given)
        error = ctypes.get_errno()
        outcome[name] = "done" if result >= 0 else errno.errorcode.get(error, str(error))
    return outcome


def files(event):
    """Tries to open, or to list, what a function has no business with."""
    outcome = {}
    for path in FILES + event["more"]:
        try:
            if os.path.isdir(path):
                outcome[path] = f"listed: {os.listdir(path)}"
            else:
                with open(path, "rb", buffering=0) as file:
                    outcome[path] = f"read {len(file.read(16))} bytes"
        except OSError as error:
            outcome[path] = named(error)
    for path in TUNABLES:
        # As much as the server's own processes have.
        value = b"-900" if path.endswith("oom_score_adj") else b"1"
        try:
            with open(path, "wb", buffering=0) as file:
                file.write(value)
            outcome[f"write {path}"] = "written"
        except OSError as error:
            outcome[f"write {path}"] = named(error)
    for kind in ["S_IFCHR", "S_IFBLK"]:
        try:
            os.mknod("/tmp/device", getattr(stat, kind) | 0o600, os.makedev(1, 1))
            outcome[f"mknod {kind}"] = "made"
        except OSError as error:
            outcome[f"mknod {kind}"] = named(error)
    return outcome


def connect(address):
    try:
        socket.create_connection(address, timeout=3).close()
        return "connected"
    except OSError as error:
        return named(error) if error.errno else type(error).__name__


def network(event):
    families = {}
    numbers = {"AF_PACKET": 17, "AF_BLUETOOTH": 31, "AF_ALG": 38, "AF_VSOCK": 40}
    for name, number in numbers.items():
        try:
            socket.socket(number, socket.SOCK_RAW).close()
            families[name] = "opened"
        except OSError as error:
            families[name] = named(error)
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
        families["raw AF_INET"] = "opened"
    except OSError as error:
        families["raw AF_INET"] = named(error)
    return {
        "interfaces": [name for _, name in socket.if_nameindex()],
        "host": connect(("127.0.0.1", event["port"])),
        "outside": connect(("192.0.2.1", 80)),
        "families": families,
    }


def server(event):
    """Reaches the server as an SDK would."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    with urllib.request.urlopen(f"{endpoint}/_hearth/health", timeout=5) as answer:
        health = json.load(answer)
    with urllib.request.urlopen(f"{endpoint}/2015-03-31/functions/", timeout=5) as answer:
        listed = json.load(answer)
    names = [function["FunctionName"] for function in listed["Functions"]]
    return {"endpoint": endpoint, "health": health["status"], "functions": names}


def fill(event):
    """Writes to /tmp until it is full, or as much as was asked for."""
    size = os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize
    block, written, error = bytes(1 << 20), 0, None
    try:
        with open("/tmp/filled", "wb", buffering=0) as file:
            while written < event["megabytes"] << 20:
                written += file.write(block)
    except OSError as problem:
        error = named(problem)
    os.unlink("/tmp/filled")
    return {"megabytes": written >> 20, "error": error, "size": size >> 20}


LOOKS = {
    "descriptors": descriptors,
    "files": files,
    "fill": fill,
    "identity": identity,
    "mounts": mounts,
    "network": network,
    "processes": processes,
    "server": server,
    "system calls": system_calls,
    "writable": writable,
}
