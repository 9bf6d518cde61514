/* SPDX-License-Identifier: Apache-2.0 */
/* The words of generated names: pleasant adjectives, and surnames of people of science. Lower-case
 * ASCII letters only, so that every pair is a valid name; sorted, no duplicates. */
#include "engine/names_words.h"

static const char *const adjectives[] = {
	"able",      "agile",    "alert",    "amber",      "amused",    "ancient",   "ardent",
	"artful",    "astute",   "autumn",   "awake",      "balanced",  "blissful",  "bold",
	"bouncy",    "brave",    "breezy",   "bright",     "brisk",     "calm",      "candid",
	"careful",   "cheerful", "civil",    "clever",     "confident", "copper",    "cordial",
	"cosmic",    "cozy",     "crafty",   "crisp",      "curious",   "dapper",    "daring",
	"dazzling",  "deft",     "diligent", "dreamy",     "driven",    "eager",     "earnest",
	"easygoing", "elastic",  "elegant",  "eloquent",   "epic",      "fearless",  "festive",
	"fluent",    "focused",  "frank",    "friendly",   "frosty",    "gallant",   "gentle",
	"gifted",    "glad",     "gleaming", "golden",     "graceful",  "grand",     "grateful",
	"happy",     "hardy",    "hearty",   "helpful",    "honest",    "hopeful",   "humble",
	"inspired",  "jaunty",   "jolly",    "jovial",     "joyful",    "keen",      "kind",
	"lively",    "logical",  "loyal",    "lucid",      "lucky",     "lunar",     "magical",
	"mellow",    "merry",    "mindful",  "modest",     "musing",    "mystic",    "neat",
	"nifty",     "nimble",   "noble",    "optimistic", "patient",   "peaceful",  "placid",
	"playful",   "plucky",   "poised",   "polite",     "practical", "proud",     "quick",
	"quiet",     "radiant",  "rapid",    "relaxed",    "resolute",  "romantic",  "rustic",
	"sharp",     "silver",   "sincere",  "sleepy",     "smiling",   "snappy",    "solar",
	"spirited",  "steady",   "stoic",    "sunny",      "swift",     "tender",    "thankful",
	"thrifty",   "tidy",     "tranquil", "trusting",   "upbeat",    "vibrant",   "vigilant",
	"vivid",     "warm",     "watchful", "wise",       "witty",     "wonderful", "youthful",
	"zealous",   "zen",
};

static const char *const surnames[] = {
	"abel",        "agnesi",        "alembert",   "ampere",       "anning",       "archimedes",
	"aristarchus", "avogadro",      "babbage",    "banach",       "banneker",     "bardeen",
	"becquerel",   "bell",          "bernoulli",  "bessel",       "bohr",         "boltzmann",
	"boole",       "born",          "bose",       "bragg",        "brahe",        "brahmagupta",
	"cannon",      "cantor",        "cardano",    "carson",       "cauchy",       "cavendish",
	"celsius",     "chandrasekhar", "chatelet",   "chebyshev",    "clausius",     "copernicus",
	"coulomb",     "cray",          "crick",      "curie",        "cuvier",       "dalton",
	"darwin",      "davy",          "descartes",  "dijkstra",     "dirac",        "doppler",
	"easley",      "eddington",     "edison",     "einstein",     "eratosthenes", "erdos",
	"euclid",      "euler",         "fahrenheit", "faraday",      "fermat",       "fermi",
	"feynman",     "fibonacci",     "fleming",    "foucault",     "fourier",      "franklin",
	"fresnel",     "galileo",       "galois",     "galvani",      "gauss",        "geiger",
	"germain",     "gibbs",         "goldberg",   "goodall",      "haber",        "hahn",
	"halley",      "hamilton",      "harvey",     "heisenberg",   "helmholtz",    "henry",
	"herschel",    "hertz",         "hilbert",    "hodgkin",      "hooke",        "hopper",
	"hubble",      "humboldt",      "huygens",    "hypatia",      "jacobi",       "johnson",
	"joliot",      "joule",         "keller",     "kelvin",       "kepler",       "khwarizmi",
	"kirchhoff",   "knuth",         "kolmogorov", "kovalevskaya", "lagrange",     "lamarr",
	"laplace",     "lavoisier",     "leavitt",    "leibniz",      "levi",         "linnaeus",
	"liskov",      "lorentz",       "lovelace",   "maathai",      "mach",         "maxwell",
	"mayer",       "mccarthy",      "mcclintock", "meitner",      "mendel",       "mendeleev",
	"mirzakhani",  "moivre",        "montalcini", "morse",        "napier",       "newton",
	"nightingale", "nobel",         "noether",    "noyce",        "oersted",      "ohm",
	"oppenheimer", "pascal",        "pasteur",    "pauli",        "pauling",      "pavlov",
	"payne",       "perlman",       "planck",     "poincare",     "poisson",      "poitras",
	"ptolemy",     "pythagoras",    "raman",      "ramanujan",    "ritchie",      "roentgen",
	"rubin",       "rutherford",    "sagan",      "salk",         "sanger",       "schrodinger",
	"seaborg",     "shannon",       "shockley",   "snyder",       "somerville",   "spence",
	"stokes",      "sutherland",    "tesla",      "thales",       "thompson",     "torricelli",
	"turing",      "volta",         "wallace",    "watson",       "watt",         "weber",
	"wegener",     "wiles",         "wilson",     "wozniak",      "wright",       "wu",
	"yalow",       "zuse",
};

const struct name_words name_adjectives = {adjectives, sizeof(adjectives) / sizeof(adjectives[0])};
const struct name_words name_surnames = {surnames, sizeof(surnames) / sizeof(surnames[0])};
