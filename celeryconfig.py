"""Celery settings of the controller. A provider has its own, with no right to declare anything (tasks/)."""

from kombu import Exchange, Queue

from tasks import names, topology
from tasks.environment import Environment

env = Environment()

broker_url = env.str("BROKER_URL", default="memory://")
# The embedded broker lives in this process: consumers are counted, and woken instead of polling.
if broker_url.startswith("memory:"):
    broker_transport = "chainfaas.broker.memory:Transport"
broker_connection_retry_on_startup = True
broker_transport_options = {"confirm_publish": True}  # the memory transport knows nothing of it

accept_content = ["json"]
task_serializer = "json"
result_backend = None  # the job's row is the result
task_ignore_result = True
task_acks_late = True
task_reject_on_worker_lost = True
task_create_missing_queues = False
task_default_queue = topology.CONTROLLER
task_queues = [
    Queue(name, Exchange(name, type="direct"), routing_key=name)
    for name in (topology.INTERNAL, topology.CONTROLLER, topology.LEDGER)
]
task_routes = {
    names.RECORD_RESULT: {"queue": topology.INTERNAL},
    names.PLACE: {"queue": topology.CONTROLLER},
    names.SWEEP: {"queue": topology.CONTROLLER},
    names.CONFIRM_RECEIVED: {"queue": topology.LEDGER},
}
task_publish_retry = True

CELERY_DB_REUSE_MAX = 10_000  # tasks before Celery closes a thread's database connection

worker_prefetch_multiplier = 4
worker_enable_remote_control = False
worker_redirect_stdouts = False
worker_hijack_root_logger = False
worker_send_task_events = False

_every = env.float("CHAINFAAS_SWEEP_EVERY_S", default=2.0)
# A sweep that could not run in time is worth nothing: the next one does its work.
beat_schedule = {"sweep": {"task": names.SWEEP, "schedule": _every, "options": {"expires": max(_every, 1.0)}}}
beat_scheduler = "celery.beat:Scheduler"
beat_max_loop_interval = 1
timezone = "UTC"
