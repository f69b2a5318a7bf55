# SPDX-License-Identifier: Apache-2.0
"""protocol.py - the messages of the executor API, as far as an executor can send or meet them.

One table, of which two things are made: fill() completes a message as an agent does before it sends
it, with the defaults of what was left out and the members in the agent's order; problems() finds
what an agent would refuse, or drop without a word, in a message that it gets.
"""
import base64
import binascii
import re

# MESSAGE, then a member a line: name, type. "!" required, "*" list, "=" the default that the agent
# writes when a sender has left it out. Order is the agent's.
TABLE = """
ID
  value string!

Call
  type CallType!
  executor_id ID!
  framework_id ID!
  subscribe Subscribe
  update Update
  message Message
Subscribe
  unacknowledged_tasks TaskInfo*
  unacknowledged_updates Update*
Update
  status TaskStatus!
Message
  data bytes!

TaskStatus
  task_id ID!
  state TaskState!
  message string
  source TaskSource
  reason TaskReason
  data bytes
  agent_id ID
  executor_id ID
  timestamp double
  uuid bytes
  healthy bool
  check_status CheckStatus
  labels Labels
  container_status ContainerStatus
  unreachable_time TimeInfo
  limitation TaskLimitation
TimeInfo
  nanoseconds int!
TaskLimitation
  resources Resource*
CheckStatus
  type CheckType
  command CheckCommandStatus
  http CheckHttpStatus
  tcp CheckTcpStatus
CheckCommandStatus
  exit_code int
CheckHttpStatus
  status_code int
CheckTcpStatus
  succeeded bool
ContainerStatus
  container_id ID
  network_infos NetworkInfo*
  cgroup_info any
  executor_pid int
NetworkInfo
  ip_addresses IPAddress*
  name string
  groups string*
  labels Labels
  port_mappings NetworkPortMapping*
IPAddress
  protocol Protocol
  ip_address string
NetworkPortMapping
  host_port int!
  container_port int!
  protocol string

Event
  type EventType!
  subscribed Subscribed
  launch Launch
  launch_group LaunchGroup
  kill Kill
  acknowledged Acknowledged
  message Message
  error Error
Subscribed
  executor_info ExecutorInfo!
  framework_info FrameworkInfo!
  agent_info AgentInfo!
  container_id ID
Launch
  task TaskInfo!
LaunchGroup
  task_group TaskGroupInfo!
TaskGroupInfo
  tasks TaskInfo*
Kill
  task_id ID!
  kill_policy KillPolicy
Acknowledged
  task_id ID!
  uuid bytes!
Error
  message string!

FrameworkInfo
  user string!
  name string!
  id ID
  failover_timeout double=0.0
  checkpoint bool=False
  roles string*
  hostname string
  principal string
  webui_url string
  capabilities Capability*
  labels Labels
Capability
  type string
AgentInfo
  hostname string!
  port int=5051
  resources Resource*
  attributes any
  id ID
  domain any
ExecutorInfo
  type ExecutorType
  executor_id ID!
  framework_id ID
  command CommandInfo
  container ContainerInfo
  resources Resource*
  name string
  source string
  data bytes
  discovery DiscoveryInfo
  shutdown_grace_period Duration
  labels Labels
TaskInfo
  name string!
  task_id ID!
  agent_id ID!
  resources Resource*
  executor ExecutorInfo
  command CommandInfo
  container ContainerInfo
  health_check HealthCheck
  check CheckInfo
  kill_policy KillPolicy
  data bytes
  labels Labels
  discovery DiscoveryInfo
  max_completion_time Duration
  limits Limits
Limits
  cpus Scalar
  mem Scalar
  disk Scalar
Resource
  name string!
  type ResourceType!
  scalar Scalar
  ranges Ranges
  allocation_info AllocationInfo
  reservations any
  disk any
AllocationInfo
  role string
Scalar
  value double!
Ranges
  range Range*
Range
  begin int!
  end int!
CommandInfo
  uris URI*
  environment Environment
  shell bool=True
  value string
  arguments string*
  user string
URI
  value string!
  executable bool
  extract bool=True
  cache bool
  output_file string
Environment
  variables Variable*
Variable
  name string!
  type string=VALUE
  value string
ContainerInfo
  type ContainerType!
  volumes Volume*
  hostname string
  docker DockerInfo
  mesos MesosInfo
  network_infos NetworkInfo*
Volume
  mode VolumeMode!
  container_path string!
  host_path string
  image Image
  source any
DockerInfo
  image string!
  network DockerNetwork=HOST
  port_mappings DockerPortMapping*
  privileged bool=False
  parameters Parameter*
  force_pull_image bool
  volume_driver string
DockerPortMapping
  host_port int!
  container_port int!
  protocol string
Parameter
  key string!
  value string!
MesosInfo
  image Image
Image
  type ImageType!
  docker DockerImage
  cached bool=True
DockerImage
  name string!
Labels
  labels Label*
Label
  key string!
  value string
DiscoveryInfo
  visibility Visibility!
  name string
  environment string
  location string
  version string
  ports Ports
  labels Labels
Ports
  ports Port*
Port
  number int!
  name string
  protocol string
  visibility Visibility
  labels Labels
KillPolicy
  grace_period Duration
Duration
  nanoseconds int!
HealthCheck
  delay_seconds double=15.0
  interval_seconds double=10.0
  timeout_seconds double=20.0
  consecutive_failures int=3
  grace_period_seconds double=10.0
  type HealthCheckType
  http HealthHttp
  tcp HealthTcp
  command CommandInfo
HealthHttp
  protocol Protocol=IPv4
  scheme string
  port int!
  path string
  statuses int*
HealthTcp
  protocol Protocol=IPv4
  port int!
CheckInfo
  type CheckType
  command CheckCommand
  http CheckHttp
  tcp CheckTcp
  delay_seconds double=15.0
  interval_seconds double=10.0
  timeout_seconds double=20.0
CheckCommand
  command CommandInfo!
CheckHttp
  port int!
  path string
CheckTcp
  port int!
"""

TERMINAL = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE")

ENUMS = {
    "CallType": ("SUBSCRIBE", "UPDATE", "MESSAGE", "HEARTBEAT"),
    "EventType": ("SUBSCRIBED", "LAUNCH", "LAUNCH_GROUP", "KILL", "ACKNOWLEDGED", "MESSAGE", "SHUTDOWN", "ERROR",
                  "HEARTBEAT"),
    "TaskState": ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING") + TERMINAL,
    "TaskSource": ("SOURCE_MASTER", "SOURCE_AGENT", "SOURCE_EXECUTOR"),
    # Only what is an executor's to say; the rest is the agent's and the master's.
    "TaskReason": ("REASON_COMMAND_EXECUTOR_FAILED", "REASON_CONTAINER_LAUNCH_FAILED", "REASON_CONTAINER_LIMITATION",
                   "REASON_CONTAINER_LIMITATION_DISK", "REASON_CONTAINER_LIMITATION_MEMORY",
                   "REASON_MAX_COMPLETION_TIME_REACHED", "REASON_TASK_CHECK_STATUS_UPDATED",
                   "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED", "REASON_TASK_INVALID", "REASON_TASK_UNAUTHORIZED",
                   "REASON_TASK_KILLED_DURING_LAUNCH", "REASON_TASK_GROUP_INVALID",
                   "REASON_TASK_GROUP_UNAUTHORIZED"),
    "ExecutorType": ("DEFAULT", "CUSTOM"),
    "ResourceType": ("SCALAR", "RANGES", "SET", "TEXT"),
    "ContainerType": ("DOCKER", "MESOS"),
    "VolumeMode": ("RW", "RO"),
    "DockerNetwork": ("HOST", "BRIDGE", "NONE", "USER"),
    "ImageType": ("DOCKER", "APPC"),
    "Visibility": ("FRAMEWORK", "CLUSTER", "EXTERNAL"),
    "HealthCheckType": ("COMMAND", "HTTP", "TCP"),
    "CheckType": ("COMMAND", "HTTP", "TCP"),
    "Protocol": ("IPv4", "IPv6"),
}


class Member:
    """One line of the table."""

    def __init__(self, text):
        self.name, kind, mark, default = re.fullmatch(r"(\w+) (\w+)([!*]?)(?:=(.*))?", text).groups()
        self.kind, self.required, self.is_list, self.default = kind, mark == "!", mark == "*", None
        if default is not None:
            convert = {"bool": lambda x: x == "True", "double": float, "int": int}.get(kind, str)
            self.default = convert(default)


def _read_table():
    messages, current = {}, None
    for line in filter(None, TABLE.split("\n")):
        if line.startswith(" "):
            member = Member(line.strip())
            messages[current][member.name] = member
        else:
            current = line
            messages[current] = {}
    return messages


MESSAGES = _read_table()


# ---- what an agent sends -------------------------------------------------------------------------

def fill(kind, value):
    """VALUE, a message of that KIND as a scheduler wrote it, as an agent passes it on."""
    if kind not in MESSAGES:
        return float(value) if kind == "double" else value
    unknown = set(value) - set(MESSAGES[kind])
    if unknown:
        raise ValueError(f"{kind} has no {', '.join(sorted(unknown))}")
    out = {}
    for member in MESSAGES[kind].values():
        given = value.get(member.name, member.default)
        if given is None:
            if member.required:
                raise ValueError(f"{kind} needs {member.name}")
            continue
        out[member.name] = [fill(member.kind, x) for x in given] if member.is_list else fill(member.kind, given)
    return out


# ---- what an agent gets --------------------------------------------------------------------------

class Problem:
    """Something wrong with a message: refused (400), or else dropped without a word."""

    def __init__(self, path, text, refused):
        self.path, self.text, self.refused = path, text, refused

    def __str__(self):
        return f"{self.path.lstrip('.')}: {self.text}"


def from_base64(text):
    """The bytes, as the agent reads them: its alphabet is the standard one, padding may be missing."""
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _scalar_problem(kind, value):
    if kind == "string":
        return None if isinstance(value, str) else "should be a string"
    if kind == "bool":
        return None if isinstance(value, bool) else "should be true or false"
    if kind == "int":
        return None if isinstance(value, int) and not isinstance(value, bool) else "should be an integer"
    if kind == "double":
        # Infinity has no number in JSON; the agent takes it as a string.
        fine = isinstance(value, (int, float)) and not isinstance(value, bool) or value in ("Infinity", "-Infinity", "NaN")
        return None if fine else "should be a number"
    try:
        from_base64(value)
    except (TypeError, ValueError, AttributeError, binascii.Error):
        return "should be standard base64"
    return None


def problems(kind, value, path="", required=True):
    """Yields what is wrong with VALUE as a message of that KIND."""
    if kind == "any":
        return
    if kind in ENUMS:
        if not isinstance(value, str):
            yield Problem(path, "an enumeration is written as a string", True)
        elif value not in ENUMS[kind]:
            # The agent drops an unknown value of an optional member: a reason that is not one.
            yield Problem(path, f"{value} is not for executors to say, or not a {kind}", required)
        return
    if kind not in MESSAGES:
        text = _scalar_problem(kind, value)
        if text:
            yield Problem(path, text, True)
        return
    if not isinstance(value, dict):
        yield Problem(path, "should be an object", True)
        return
    members = MESSAGES[kind]
    for name in value:
        if name not in members:
            yield Problem(f"{path}.{name}", f"a {kind} has no such member", False)
    for member in members.values():
        here = f"{path}.{member.name}"
        if member.name not in value:
            if member.required:
                yield Problem(here, "is missing", True)
        elif not member.is_list:
            yield from problems(member.kind, value[member.name], here, member.required)
        elif not isinstance(value[member.name], list):
            yield Problem(here, "should be a list", True)
        else:
            for n, item in enumerate(value[member.name]):
                yield from problems(member.kind, item, f"{here}[{n}]", True)


def is_uuid(data):
    """Sixteen bytes with one of RFC 4122's version numbers: what the agent's library takes for a UUID."""
    return len(data) == 16 and 1 <= data[6] >> 4 <= 5 and data[8] >> 6 == 2


# ---- durations -----------------------------------------------------------------------------------

UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "secs": 1, "mins": 60, "hrs": 3600, "days": 86400, "weeks": 604800}


def seconds(text):
    """What a duration as Mesos writes it, `1500ms`, is in seconds."""
    number, unit = re.fullmatch(r"([0-9.]+)(\w+)", text).groups()
    return float(number) * UNITS[unit]


def nanoseconds(value):
    return {"nanoseconds": int(value * 1e9)}
