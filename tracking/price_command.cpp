#include "tracking/price_command.hpp"

#include <ostream>

#include "tracking/record.hpp"

namespace tracking {

int run_price(const conf::pricing_settings& settings, const price_question& question, std::ostream& out,
              std::ostream& err) {
    conf::pricing_settings with_fees = settings;
    with_fees.search_fees = settings.search_fees || question.units.web_searches;  // asked for by name
    const auto loaded = price_catalogue::load(with_fees);
    if (const auto* wrong = std::get_if<std::string>(&loaded)) {
        err << *wrong << '\n';
        return 1;
    }
    const auto& catalogue = *std::get<std::shared_ptr<const price_catalogue>>(loaded);
    const bool direct = !question.provider.empty();
    const std::string& provider = direct ? question.provider : settings.default_provider;
    const billed_usage usage{question.counts, question.units, question.service_tier};
    const auto quote = catalogue.explain(provider, question.model, usage, direct);
    if (!quote) {
        err << question.model << ": no price for all of this in pricing.overrides or the catalogue of "
            << catalogue.as_of() << ", so such a request is recorded without a cost\n";
        err << "the nearest models are:\n";
        for (const std::string& name : catalogue.nearest(question.model, 5)) err << "    " << name << '\n';
        return 1;
    }
    out << "price          " << quote->price_id << '\n';
    out << "catalogue of   " << catalogue.as_of() << '\n';
    out << quote->explanation;
    out << "total          " << usd_text(quote->nano) << " USD\n";
    return 0;
}

}  // namespace tracking
