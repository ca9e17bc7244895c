#include "spool/class.h"

#include "spool/route.h"

static bool
means(const char *pattern, const struct envelope *env)
{
	if (route_meets(pattern, str_span(&env->from)))
		return true;
	for (size_t i = 0; i < env->rcpts; i++)
		if (route_meets(pattern, str_span(&env->rcpt[i].to)))
			return true;
	return false;
}

const char *
class_of(const struct settings *settings, const struct envelope *env)
{
	for (size_t i = 0; i < settings->class_rules; i++)
		if (means(settings->class_rule[i].pattern, env))
			return settings->class_rule[i].class;
	return CLASS_MAIN;
}
