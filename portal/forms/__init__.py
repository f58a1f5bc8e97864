"""What people type, checked before anything is called: an error stands beside its field."""

from portal.forms.form import sent
from portal.forms.functions import FunctionForm, TryItForm
from portal.forms.machines import OfferForm
from portal.forms.money import AmountForm
from portal.forms.people import PasswordForm, RegisterForm, RolesForm, SignInForm, TokenForm

__all__ = [
    "AmountForm",
    "FunctionForm",
    "OfferForm",
    "PasswordForm",
    "RegisterForm",
    "RolesForm",
    "SignInForm",
    "TokenForm",
    "TryItForm",
    "sent",
]
