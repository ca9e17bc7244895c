# letters.awk - a mailbox out of what the manual says, where there is no real one at hand.
#
#	awk -f tests/bench/letters.awk man/*.[1578] README >letters.mbox
#
# Four people write to each other about paragraphs of the manual, in six threads: each letter
# quotes some of the one that it answers, and says two to four KB that no other says; its head is
# what two hosts and a signature leave today.  The same input gives the same letters.  A mailbox of
# one's own is better for measuring: here nobody sends HTML, a picture or the same footer.

function random(below) {	# of ours, so that every awk throws the same
	seed = (seed * 69069 + 12345) % 4294967296
	return int(seed / 65536) % below
}

function letters_of(alphabet, count,    out) {
	out = ""
	while (count-- > 0)
		out = out substr(alphabet, random(length(alphabet)) + 1, 1)
	return out
}

function folded(text, width, before,    out, line, i, n, words) {
	n = split(text, words, " ")
	line = before
	out = ""
	for (i = 1; i <= n; i++) {
		if (length(line) + length(words[i]) >= width && line != before) {
			out = out line "\n"
			line = before
		}
		line = line (line == before ? "" : " ") words[i]
	}
	return out line "\n"
}

function end_paragraph() {
	if (length(paragraph) > 60)
		said[++paragraphs] = paragraph
	paragraph = ""
}

function stamp(minutes,    day, hour) {	# from Monday, 2 November 2026
	day = int(minutes / 1440)
	hour = int(minutes % 1440 / 60)
	return sprintf("%s, %d Nov 2026 %02d:%02d:%02d +0100", substr("MonTueWedThuFriSatSun", day % 7 * 3 + 1, 3),
	    day + 2, hour, minutes % 60, minutes * 7 % 60)
}

function signature(domain,    out, i) {
	out = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=" domain "; s=mail;\n" \
	    "\tt=" (1793600000 + random(2000000)) "; h=from:to:cc:subject:date:message-id:in-reply-to:references;\n\tbh=" \
	    letters_of(base64, 43) "=;\n\tb="
	for (i = 0; i < 5; i++)
		out = out letters_of(base64, i < 4 ? 66 : 78) (i < 4 ? "\n\t " : "==\n")
	return out
}

function letter(    thread, who, whom, domain, at, id, fresh, body, text, n) {
	thread = random(6)
	who = thread in last_who ? (last_who[thread] + 1 + random(3)) % 4 : random(4)
	whom = thread in last_who ? last_who[thread] : (who + 1) % 4
	domain = domains[who % 2]
	clock += 40 + random(300)
	at = stamp(clock)
	id = "<" letters_of(base64, 6) "." letters_of("0123456789abcdef", 8) "@" domain ">"
	printf "From %s Mon Nov  2 08:00:00 2026\n", mails[who]
	printf "Return-Path: <%s>\n", mails[who]
	printf "Received: from smtp.%s (smtp.%s [192.0.2.%d])\n\tby mx.hub.example (Postfix) with ESMTPS id %s\n\tfor <bob@home.example>; %s\n", \
	    domain, domain, 17 + who % 2, letters_of("0123456789ABCDEF", 10), at
	printf "Received: from [192.168.1.%d] (dsl-%d.%s [198.51.100.%d])\n\tby smtp.%s (Postfix) with ESMTPSA id %s;\n\t%s\n", \
	    20 + who, 100 + who, domain, 100 + who, domain, letters_of("0123456789ABCDEF", 10), at
	printf "%s", signature(domain)
	printf "Message-ID: %s\nDate: %s\nMIME-Version: 1.0\nUser-Agent: %s\nSubject: %s%s\nTo: %s <%s>\nCc: Bob <bob@home.example>\n", \
	    id, at, agents[who], thread in last_id ? "Re: " : "", subjects[thread], names[whom], mails[whom]
	if (thread in last_id)
		printf "References: %s\nIn-Reply-To: %s\n", references[thread], last_id[thread]
	printf "From: %s <%s>\nContent-Language: en-GB\nContent-Type: text/plain; charset=utf-8; format=flowed\nContent-Transfer-Encoding: 8bit\n\n", \
	    names[who], mails[who]
	body = ""
	if (thread in last_body)
		body = "On " last_at[thread] ", " names[whom] " wrote:\n" folded(last_body[thread], 72, "> ") "\n"
	n = 0
	while (n < 2300 + random(1500) && next_said < paragraphs) {
		text = said[++next_said]
		body = body folded(text, 74, "") "\n"
		n += length(text)
		if (n < 2000)
			fresh = fresh (fresh == "" ? "" : " ") text
	}
	printf "%s%s\n-- \n%s\n%s\n\n", body, names[who], names[who], places[who]
	references[thread] = (thread in last_id ? references[thread] "\n " : "") id
	last_id[thread] = id
	last_who[thread] = who
	last_at[thread] = at
	last_body[thread] = fresh
	return next_said < paragraphs
}

BEGIN {
	seed = 20261102
	base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	split("hub.example\nisland.example", domain_list, "\n")
	domains[0] = domain_list[1]
	domains[1] = domain_list[2]
	split("Ann Berger\nBernd Holm\nCarla Diaz\nDavid Okoro", name_list, "\n")
	split("ann bernd carla david", user_list, " ")
	split("Mozilla Thunderbird\nMutt/2.2.9 (2022-11-12)\nEvolution 3.46.4-2\nMozilla Thunderbird", agent_list, "\n")
	split("Harbour office, second floor\nWeather desk\nThe school on the hill\nRepairs, radio and engines", place_list, "\n")
	split("The link at the harbour\nWhat to do when the mail stays\nQueue on the island\nNew radio, same old modem\nNotes for the school\nHow the others do it", subject_list, "\n")
	for (i = 0; i < 6; i++) {
		subjects[i] = subject_list[i + 1]
		if (i >= 4)
			continue
		names[i] = name_list[i + 1]
		mails[i] = user_list[i + 1] "@" domains[i % 2]
		agents[i] = agent_list[i + 1]
		places[i] = place_list[i + 1]
	}
	clock = 480
}

# Of mdoc: words, without their dress.
/^\.\\"/ || /^\.(Dd|Dt|Os|Nm|Nd|Sh|Ss|Bl|El|Bd|Ed|D1|Dl|It|Fl|Op)/ { end_paragraph(); next }
/^\.Pp/ || /^$/ { end_paragraph(); next }
{
	sub(/^\.[A-Z][a-z] /, "")
	gsub(/\\&|\\e/, "")
	gsub(/ (Ns|Xr|Cm|No|Ar|Pa|Li|Ql|Sy|Em|Va|Dv|Ev|Dq|Pq) /, " ")
	if (length(paragraph) > 900)
		end_paragraph()
	paragraph = paragraph (paragraph == "" ? "" : " ") $0
}

END {
	end_paragraph()
	while (letter())
		;
}
