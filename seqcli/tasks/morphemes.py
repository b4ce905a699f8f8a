"""What the names of chemical compounds are put together from, and how.

Our own lists: real morphemes, put together so that most results look right though few exist.
Nomenclature: substituents before a stem, a suffix for the functional group (IUPAC); stems of the
WHO's international non-proprietary names for drugs (``-pril``, ``-olol``, ``-mycin``).
"""

from __future__ import annotations

from collections.abc import Mapping

# Slot -> its morphemes, the commonest first. "/" stands for nothing at all, "_" for a space.
SLOTS: Mapping[str, str] = {
    "substituent": (
        "methyl chloro hydroxy ethyl bromo fluoro amino nitro oxo phenyl methoxy iodo "
        "propyl cyano dimethyl dichloro trifluoro benzyl acetyl formyl butyl ethoxy "
        "isopropyl allyl vinyl difluoro trichloro dibromo diethyl mercapto carboxy "
        "cyclopropyl cyclohexyl tetrachloro dihydroxy diamino azido sulfo isobutyl "
        "trimethyl acetoxy tribromo phenoxy dinitro benzoyl pentyl tetrafluoro hexyl "
        "propoxy methylthio"
    ),
    "more": (
        "/ / / / / / methyl chloro hydroxy ethyl bromo fluoro amino nitro phenyl methoxy "
        "oxo cyano iodo propyl dimethyl dichloro"
    ),
    "stem": (
        "prop but pent hex eth hept oct meth cyclohex cyclopent non dec isobut cyclobut "
        "isopent dodec undec cycloprop neopent cyclohept hexadec octadec bicycloundec "
        "isohex tetradec spirodec tridec bicyclohept cyclooct"
    ),
    "suffix": (
        "ane anol anone ene anoic_acid anal anamide anamine anediol yne anenitrile anethiol "
        "enol enal anedione enone enoic_acid adiene anedioic_acid ylamine anolide ynol "
        "ylurea"
    ),
    "ring": (
        "phenol benzene toluene aniline pyridine naphthalene furan indole thiophene pyrrole "
        "quinoline benzaldehyde imidazole benzamide xylene pyrimidine benzoic_acid "
        "acetophenone anthracene piperidine styrene thiazole morpholine benzonitrile cresol "
        "purine biphenyl pyrazole oxazole coumarin fluorene piperazine carbazole "
        "isoquinoline"
    ),
    "onset": (
        "ca me flu clo ra te lo pra ami be vera ni oxa tra feno sulfa pro dexa bri do va "
        "cefa keto ralo gli si levo zo alpha lami nalo eno ti carba pero ro quina sumi dapa "
        "moxi alfu buta erlo fi iso lora mito nora oli pala riva sita tolu uri xylo zani"
    ),
    "middle": ("/ / / ra lo ni ti pa vo mi do li za ri ta ce fi xo ba go ne su lu pe ve ma"),
    "drug": (
        "pril nolol nazole tidine statin vir mycin cillin floxacin sartan zepam caine "
        "profen dipine tinib gliptin triptan formin lukast parin cycline prazole setron "
        "thiazide barbital dronate zosin grel xaban fibrate mustine platin rubicin taxel "
        "terol sone quine mab dopa lamide"
    ),
    "base": (
        "sodium hydrochloride maleate sulfate citrate mesylate tartrate potassium phosphate "
        "acetate bromide calcium fumarate succinate nitrate besylate tosylate"
    ),
    "before": (
        "/ / / / / / nor iso epi dihydro allo neo pseudo homo hydroxy dehydro tetrahydro "
        "methyl proto anhydro deoxy apo ent oxy demethyl acetyl"
    ),
    "plant": (
        "quin morph caff nicot atrop strychn papaver berber colch camphor limon geran menth "
        "thym carv citr querc kaempf luteol apigen naring hesper genist digit salic coumar "
        "amygdal arbut curcum vanill eugen pilocarp scopol ephedr lobel solan tomat "
        "resveratr gingerol capsaic piper yohimb reserp emet theobrom harm galant lycor "
        "brucin ajmal vinc taxin artemis aloe juglon ellag gall syring ferul sinap"
    ),
    "natural": (
        "ine in ol one ene oside al ic_acid idine inol etin amide oic_acid inone ylate enal"
    ),
    "cation": (
        "sodium potassium calcium magnesium ammonium lithium zinc barium copper iron silver "
        "aluminium cesium nickel cobalt lead manganese strontium rubidium tin cadmium "
        "chromium titanium bismuth mercury lanthanum cerium indium gallium thallium"
    ),
    "part": (
        "/ / / / thio hydrogen_ per di pyro hypo meta bi ortho fluoro poly chloro seleno "
        "tetrahydroxo"
    ),
    "anion": (
        "sulfate nitrate phosphate chloride carbonate oxide bromide chlorate acetate "
        "citrate iodide tartrate oxalate sulfite benzoate hydroxide fluoride formate "
        "lactate succinate nitrite gluconate borate silicate chromate malonate stearate "
        "cyanate arsenate vanadate manganate tungstate molybdate aluminate titanate "
        "phosphite"
    ),
    "alkyl": (
        "ethyl methyl propyl butyl benzyl phenyl isopropyl pentyl hexyl isobutyl octyl "
        "vinyl allyl cyclohexyl geranyl decyl heptyl dodecyl isoamyl linalyl cinnamyl "
        "menthyl nonyl"
    ),
    "acyl": (
        "acetate butanoate propanoate benzoate formate salicylate hexanoate cinnamate "
        "lactate acrylate pentanoate octanoate methacrylate malonate palmitate oleate "
        "anthranilate phthalate laurate crotonate nicotinate pyruvate glycolate mandelate "
        "sorbate"
    ),
    "space": "_",
}

# How often each pattern of slots is taken.
PATTERNS: Mapping[tuple[str, ...], int] = {
    ("more", "substituent", "stem", "suffix"): 30,
    ("more", "substituent", "ring"): 16,
    ("onset", "middle", "drug"): 20,
    ("onset", "middle", "drug", "space", "base"): 6,
    ("before", "plant", "natural"): 16,
    ("cation", "space", "part", "anion"): 6,
    ("alkyl", "space", "more", "acyl"): 6,
}


def morphemes(slot: str) -> list[str]:
    """Return the morphemes of a slot as they stand in a name."""
    return [part.replace("_", " ").strip("/") for part in SLOTS[slot].split()]
