package media

import "strings"

// twoLetters are the codes of ISO 639-1, each with that of ISO 639-2/T behind it.
const twoLetters = "aaaar ababk aeave afafr akaka amamh anarg arara asasm avava ayaym azaze babak bebel bgbul bhbih bibis bmbam bnben bobod brbre bsbos " +
	"cacat ceche chcha cocos crcre csces cuchu cvchv cycym dadan dedeu dvdiv dzdzo eeewe elell eneng eoepo esspa etest eueus fafas ffful fifin fjfij " +
	"fofao frfra fyfry gagle gdgla glglg gngrn guguj gvglv hahau heheb hihin hohmo hrhrv hthat huhun hyhye hzher iaina idind ieile igibo iiiii ikipk " +
	"ioido isisl itita iuiku jajpn jvjav kakat kgkon kikik kjkua kkkaz klkal kmkhm knkan kokor krkau kskas kukur kvkom kwcor kykir lalat lbltz lglug " +
	"lilim lnlin lolao ltlit lulub lvlav mgmlg mhmah mimri mkmkd mlmal mnmon mrmar msmsa mtmlt mymya nanau nbnob ndnde nenep ngndo nlnld nnnno nonor " +
	"nrnbl nvnav nynya ococi ojoji omorm orori ososs papan pipli plpol pspus ptpor quque rmroh rnrun roron rurus rwkin sasan scsrd sdsnd sesme sgsag " +
	"sisin skslk slslv smsmo snsna sosom sqsqi srsrp ssssw stsot susun svswe swswa tatam tetel tgtgk ththa titir tktuk tltgl tntsn toton trtur tstso " +
	"tttat twtwi tytah uguig ukukr ururd uzuzb veven vivie vovol wawln wowol xhxho yiyid yoyor zazha zhzho zuzul"

// bibliographic are the codes of ISO 639-2/B that are others in ISO 639-2/T, which stand behind them.
const bibliographic = "albsqi armhye baqeus burmya chizho czeces dutnld frefra geokat gerdeu greell iceisl macmkd maomri maymsa perfas rumron sloslk tibbod welcym"

// Language returns the code of ISO 639-2/T for a tag of RFC 5646, such as eng for en-US, or for a code of ISO 639-2/B: in lower case, and of what it
// does not know the first part of the tag.
func Language(tag string) string {
	primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
	switch len(primary) {
	case 2:
		return find(twoLetters, primary)
	case 3:
		return find(bibliographic, primary)
	}
	return primary
}

// find looks for the word that begins with a code, and returns what is behind it.
func find(table, code string) string {
	for word := range strings.FieldsSeq(table) {
		if rest, ok := strings.CutPrefix(word, code); ok {
			return rest
		}
	}
	return code
}

// Tag returns the tag of RFC 5646 for a code of ISO 639-2: that of two letters, where there is one.
func Tag(language string) string {
	code := Language(language)
	for word := range strings.FieldsSeq(twoLetters) {
		if word[2:] == code {
			return word[:2]
		}
	}
	return language
}
