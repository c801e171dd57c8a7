"""Language codes: what models and people write -> ISO 639-3 with the script, as FineWeb-2 and GlotLID write it.

Macrolanguages become the individual language that FineWeb-2 names: `ar` is arb, `zh` is cmn, `no` is nob, `sq` is als.
Chinese is `cmn_Hani` whatever the set of characters, Japanese `jpn_Jpan`, Korean `kor_Hang`.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches

UNDETERMINED = "und"

_LID = """
af afr Latn|als gsw Latn|am amh Ethi|an arg Latn|ar arb Arab|arz arz Arab|as asm Beng|ast ast Latn|av ava Cyrl
az azj Latn|azb azb Arab|ba bak Cyrl|bar bar Latn|bcl bcl Latn|be bel Cyrl|bg bul Cyrl|bh bho Deva|bn ben Beng
bo bod Tibt|bpy bpy Beng|br bre Latn|bs bos Latn|bxr bxr Cyrl|ca cat Latn|cbk cbk Latn|ce che Cyrl|ceb ceb Latn
ckb ckb Arab|co cos Latn|cs ces Latn|cv chv Cyrl|cy cym Latn|da dan Latn|de deu Latn|diq diq Latn|dsb dsb Latn
dty dty Deva|dv div Thaa|el ell Grek|eml egl Latn|en eng Latn|eo epo Latn|es spa Latn|et ekk Latn|eu eus Latn
fa fas Arab|fi fin Latn|fr fra Latn|frr frr Latn|fy fry Latn|ga gle Latn|gd gla Latn|gl glg Latn|gn gug Latn
gom gom Deva|gu guj Gujr|gv glv Latn|he heb Hebr|hi hin Deva|hif hif Latn|hr hrv Latn|hsb hsb Latn|ht hat Latn
hu hun Latn|hy hye Armn|ia ina Latn|id ind Latn|ie ile Latn|ilo ilo Latn|io ido Latn|is isl Latn|it ita Latn
ja jpn Jpan|jbo jbo Latn|jv jav Latn|ka kat Geor|kk kaz Cyrl|km khm Khmr|kn kan Knda|ko kor Hang|krc krc Cyrl
ku kmr Latn|kv kpv Cyrl|kw cor Latn|ky kir Cyrl|la lat Latn|lb ltz Latn|lez lez Cyrl|li lim Latn|lmo lmo Latn
lo lao Laoo|lrc lrc Arab|lt lit Latn|lv lvs Latn|mai mai Deva|mg plt Latn|mhr mhr Cyrl|min min Latn|mk mkd Cyrl
ml mal Mlym|mn khk Cyrl|mr mar Deva|mrj mrj Cyrl|ms zsm Latn|mt mlt Latn|mwl mwl Latn|my mya Mymr|myv myv Cyrl
mzn mzn Arab|nah nah Latn|nap nap Latn|nds nds Latn|ne npi Deva|new new Deva|nl nld Latn|nn nno Latn|no nob Latn
oc oci Latn|or ory Orya|os oss Cyrl|pa pan Guru|pam pam Latn|pfl pfl Latn|pl pol Latn|pms pms Latn|pnb pnb Arab
ps pbt Arab|pt por Latn|qu quy Latn|rm roh Latn|ro ron Latn|ru rus Cyrl|rue rue Cyrl|sa san Deva|sah sah Cyrl
sc srd Latn|scn scn Latn|sco sco Latn|sd snd Arab|sh hbs Latn|si sin Sinh|sk slk Latn|sl slv Latn|so som Latn
sq als Latn|sr srp Cyrl|su sun Latn|sv swe Latn|sw swh Latn|ta tam Taml|te tel Telu|tg tgk Cyrl|th tha Thai
tk tuk Latn|tl fil Latn|tr tur Latn|tt tat Cyrl|tyv tyv Cyrl|ug uig Arab|uk ukr Cyrl|ur urd Arab|uz uzn Latn
vec vec Latn|vep vep Latn|vi vie Latn|vls vls Latn|vo vol Latn|wa wln Latn|war war Latn|wuu wuu Hani
xal xal Cyrl|xmf xmf Geor|yi ydd Hebr|yo yor Latn|yue yue Hani|zh cmn Hani
"""

_OTHER = """
alb als|ara arb|arm hye|aze azj|baq eus|bih bho|bur mya|chi cmn|cze ces|dut nld|est ekk|fre fra|geo kat|ger deu
gre ell|grn gug|ice isl|kom kpv|kur kmr|lav lvs|mac mkd|may zsm|mlg plt|mon khk|msa zsm|nb nob|nep npi|nor nob
ori ory|per fas|pus pbt|que quy|rum ron|slo slk|sqi als|swa swh|tgl fil|tib bod|uzb uzn|wel cym|yid ydd|zho cmn
"""

LABELS: Mapping[str, tuple[str, str]] = {
    label: (language, script) for label, language, script in (e.split() for e in re.split(r"[|\n]", _LID.strip()))
}
"""Label of lid.176 -> (ISO 639-3, the script it is mostly written in). Its `als` is Alemannic, its `eml` Emilian."""

_SCRIPT_OF = dict(LABELS.values())
_ISO = {language: language for language in _SCRIPT_OF}
_ISO |= {label: language for label, (language, _) in LABELS.items() if len(label) == 2}
_ISO |= dict(entry.split() for entry in re.split(r"[|\n]", _OTHER.strip()))
_SAME_SCRIPT = {"Hans": "Hani", "Hant": "Hani", "Hira": "Jpan", "Kana": "Jpan", "Hrkt": "Jpan", "Kore": "Hang"}

_CODE = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_](?:[A-Za-z]{2}|[0-9]{3}))?")
_FULL = re.compile("[a-z]{3}_[A-Z][a-z]{3}")


def normalise_code(code: str) -> str | None:
    """`eng_Latn` of `en`, `eng`, `en-US` or `eng_Latn`; `und` of `und`; None for what is no language code known here.

    ISO 639-1, 639-2 and 639-3, with or without script and region (which is dropped). A language that lid.176 does not
    know needs its script: `wol_Latn`.
    """
    if code.lower() == UNDETERMINED:
        return UNDETERMINED
    found = _CODE.fullmatch(code.strip())
    if not found:
        return None
    language, script = found.group(1).lower(), found.group(2)
    language = _ISO.get(language, language)
    script = _SAME_SCRIPT.get(script.title(), script.title()) if script else _SCRIPT_OF.get(language)
    return f"{language}_{script}" if script and len(language) == 3 else None


def near_code(code: str) -> str | None:
    """The code with script that `code` may be a slip of: `deu_Latn` of `deu_Ltn`. Of two or three letters any may."""
    full = [f"{language}_{script}" for language, script in LABELS.values()]
    return next(iter(get_close_matches(code, full, n=1, cutoff=0.75)), None) if len(code) > 3 else None


def is_full(code: str) -> bool:
    """Whether `code` is an ISO 639-3 code with its script already."""
    return _FULL.fullmatch(code) is not None
