"""What scripts/test-api.sh adds to schemathesis: it cannot know which account it
acts as, nor guess a password or a key."""

import os

import requests
import schemathesis

KEPT = {"admin", "probe", "probe-device"}
PASSWORD = os.environ["API_TEST_PASSWORD"]
WORKING = {
    "login": {"username": "probe", "password": PASSWORD},
    "loginDevice": {"device_key": os.environ["API_TEST_DEVICE_KEY"]},
    "changePassword": {"current_password": PASSWORD, "new_password": PASSWORD},
    "addUser": {"password": PASSWORD},
    "putRoom": {"max_age": "720h"},  # no schema tells what a duration is
}


@schemathesis.hook
def before_call(context, case, kwargs):
    keep_accounts(case)
    give_credentials(case)


def keep_accounts(case):
    """Once there is a second administrator, the first could be deleted, disabled
    or demoted, and all that follows would be 401 and 403."""
    name = (case.path_parameters or {}).get("name")
    if isinstance(name, str) and name.lower() in KEPT:
        case.path_parameters["name"] = "nobody"


def give_credentials(case):
    """Valid requests get credentials that work, so that the answers to requests
    that succeed are looked at, too."""
    if case.meta is None or case.meta.generation.mode.is_negative or not isinstance(case.body, dict):
        return
    operation = case.operation.definition.raw.get("operationId")
    if operation in WORKING:
        case.body.update(WORKING[operation])
    elif operation == "refresh" and "refresh_token" in case.body:
        url = case.operation.base_url.rstrip("/") + "/auth/device"
        answer = requests.post(url, json=WORKING["loginDevice"], timeout=10)
        case.body["refresh_token"] = answer.json().get("refresh_token", "")
