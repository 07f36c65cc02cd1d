#include "tracker.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>

namespace {

// --- config.json: each name that is needed stands in it once, so that no JSON library is needed ---

std::string value_of(const std::string& text, const std::string& name) {
    const auto at = text.find("\"" + name + "\":");
    if (at == std::string::npos) throw std::runtime_error("config.json has no " + name);
    const auto first = text.find_first_not_of(" \"", at + name.size() + 3);
    return text.substr(first, text.find_first_of(",\"\n}", first) - first);
}

double number(const std::string& text, const std::string& name) {
    return std::strtod(value_of(text, name).c_str(), nullptr);
}

int whole(const std::string& text, const std::string& name) { return static_cast<int>(number(text, name)); }

Settings read_settings(const std::string& text) {
    Settings s;
    s.search_factor = number(text, "search_factor");
    s.template_factor = number(text, "template_factor");
    s.score_threshold = number(text, "score_threshold");
    s.score_decay = number(text, "score_decay");
    s.margin = number(text, "margin");
    s.lost_below = number(text, "lost_below");
    s.sure_above = number(text, "sure_above");
    s.found_above = number(text, "found_above");
    s.likeness_weight = number(text, "likeness_weight");
    s.likeness_usual = number(text, "likeness_usual");
    s.update_interval = whole(text, "update_interval");
    s.online_templates = whole(text, "online_templates");
    s.lost_after = whole(text, "lost_after");
    s.found_after = whole(text, "found_after");
    s.search_budget = whole(text, "search_budget");
    s.likeness_interval = whole(text, "likeness_interval");
    s.update = value_of(text, "update");
    s.rules = value_of(text, "rules");
    s.redetect = value_of(text, "redetect");
    return s;
}

// --- crops ---

struct Tap {  // two source rows or columns of one output row or column, and their weights in 11 bits
    int near, far, upper, lower, right;
};

int rint_(double value) { return static_cast<int>(std::nearbyint(value)); }  // halves to the even number

std::vector<Tap> taps(int side, int size) {
    std::vector<Tap> made(size);
    for (int k = 0; k < size; ++k) {
        const float position = static_cast<float>((k + 0.5) * (1.0 / (static_cast<double>(size) / side)) - 0.5);
        const int first = static_cast<int>(std::floor(position));
        const float part = position - static_cast<float>(first);
        Tap& tap = made[k];
        tap.near = std::clamp(first, 0, side - 1);
        tap.far = std::clamp(first + 1, 0, side - 1);
        tap.lower = rint_(part * 2048.0f);
        tap.upper = rint_((1.0f - part) * 2048.0f);
        tap.right = first < 0 || first >= side - 1 ? 0 : tap.lower;  // at the border, one column alone
    }
    return made;
}

// Cut the square of `factor` times the box's size around its center, black outside the frame, and resize it bilinearly
// as OpenCV's INTER_LINEAR does, with its 11-bit integers. Returns the side of the square in pixels of the frame.
int crop(const Frame& frame, const Box& box, double factor, int size, std::uint8_t* out) {
    const int side = static_cast<int>(std::ceil(std::sqrt(box[2] * box[3]) * factor));
    const int left = rint_(box[0] + 0.5 * box[2] - 0.5 * side), top = rint_(box[1] + 0.5 * box[3] - 0.5 * side);
    // A square that reaches the right (bottom) border loses the frame's last column (row) to black too: the official
    // trackers do this, and the networks were trained with it.
    const int right = std::min(left + side, frame.width - 1), bottom = std::min(top + side, frame.height - 1);
    const auto value = [&](int row, int column, int color) -> int {
        const int y = top + row, x = left + column;
        if (y < 0 || x < 0 || y >= bottom || x >= right) return 0;
        return frame.pixels[(static_cast<std::size_t>(y) * frame.width + x) * 3 + color];
    };
    const auto places = taps(side, size);
    for (const Tap& row : places)
        for (const Tap& column : places)
            for (int color = 0; color < 3; ++color) {
                const auto across = [&](int y) {
                    const int near = value(y, column.near, color), far = value(y, column.far, color);
                    return (near * (2048 - column.right) + far * column.right) >> 4;
                };
                const int sum = (across(row.near) * row.upper >> 16) + (across(row.far) * row.lower >> 16);
                *out++ = static_cast<std::uint8_t>((sum + 2) >> 2);
            }
    return side;
}

// Keep `margin` pixels of the box inside the frame, and its sides at least that long.
Box clip(const Box& box, const Frame& frame, double margin) {
    const double x1 = std::min(std::max(0.0, box[0]), frame.width - margin);
    const double x2 = std::min<double>(std::max(margin, box[0] + box[2]), frame.width);
    const double y1 = std::min(std::max(0.0, box[1]), frame.height - margin);
    const double y2 = std::min<double>(std::max(margin, box[1] + box[3]), frame.height);
    return {x1, y1, std::max(margin, x2 - x1), std::max(margin, y2 - y1)};
}

// Brightness at 9 x 16 places, to notice a cut.
std::vector<int> thumbnail(const Frame& frame) {
    std::vector<int> made;
    for (int i = 0; i < 9; ++i)
        for (int j = 0; j < 16; ++j) {
            const std::size_t y = static_cast<std::size_t>(i) * (frame.height - 1) / 8;
            const std::size_t x = static_cast<std::size_t>(j) * (frame.width - 1) / 15;
            const std::uint8_t* pixel = frame.pixels + (y * frame.width + x) * 3;
            made.push_back((pixel[0] + pixel[1] + pixel[2]) / 3);
        }
    return made;
}

// Compare two templates by the values of the middle block, (1, heads, 2 * T, d) each, of two equal templates.
double likeness(const ov::Tensor& first, const ov::Tensor& other) {
    const ov::Shape shape = first.get_shape();
    const std::size_t heads = shape[1], tokens = shape[2], width = shape[3];
    const int side = static_cast<int>(std::lround(std::sqrt(tokens / 2.0)));
    const auto on_target = [side](int k) { return std::abs((k + 0.5) / side - 0.5) <= 0.25; };
    const float *a = first.data<float>(), *b = other.data<float>();
    double sum = 0;
    int count = 0;
    for (int token = 0; token < side * side; ++token) {
        if (!on_target(token / side) || !on_target(token % side)) continue;
        double ab = 0, aa = 0, bb = 0;
        for (std::size_t head = 0; head < heads; ++head)
            for (std::size_t k = 0; k < width; ++k) {
                const std::size_t at = (head * tokens + token) * width + k;
                ab += double(a[at]) * b[at];
                aa += double(a[at]) * a[at];
                bb += double(b[at]) * b[at];
            }
        sum += ab / std::sqrt(aa * bb);
        ++count;
    }
    return sum / count;
}

double logit(double score) { return std::log(std::max(score, 1e-6) / std::max(1 - score, 1e-6)); }

}  // namespace

// --- is the target there? ---

void Judgment::add(double score, const Settings& s) {
    low = score < s.lost_below ? low + (score < 0.1 * s.lost_below ? 2 : 1) : 0;
    high = score >= s.sure_above ? high + 1 : 0;
    if (high)
        status = status == "tracking" || high >= s.found_after ? "tracking" : "uncertain";
    else if (low && status != "lost")
        status = lost_frames > 0 || low >= s.lost_after ? "lost" : "uncertain";
    const bool gone = status == "lost" || (status == "uncertain" && lost_frames > 0);
    lost_frames = gone ? lost_frames + 1 : 0;
}

// Call the target lost without waiting for more low scores: the picture was cut.
void Judgment::lose() {
    status = "lost";
    lost_frames = std::max(1, lost_frames);
}

// Lower a score (0..1) that is unusual for this target, and by the logits `unlike`.
double UsualScore::confidence(double score, double unlike) const {
    const double lowered = 2 * std::max(0.0, mean - logit(score) - 0.6) + unlike;
    return lowered > 0 ? 1 / (1 + std::exp(lowered - logit(score))) : score;
}

// Take a high score; `sure` says that it is usual as well.
void UsualScore::add(double score, bool sure) {
    const double weight = sure ? std::max(0.05, 1.0 / (frames + 2)) : 0.02;
    mean += weight * (logit(score) - mean);
    frames += sure;
}

// --- the tracker ---

Tracker::Tracker(const std::string& folder) {
    std::ifstream file(folder + "/config.json");
    if (!file) throw std::runtime_error(folder + " has no config.json; write it with mixformer export");
    std::stringstream content;
    content << file.rdbuf();
    const std::string text = content.str();
    settings_ = read_settings(text);
    search_size_ = whole(text, "search_size");
    template_size_ = whole(text, "template_size");
    middle_ = 2 * (whole(text, "depth") / 2) + 1;  // each block gives its keys, then its values
    const auto read = [&](const std::string& name) {
        const std::string path = folder + "/" + value_of(text, name);
        const bool onnx = path.size() > 5 && path.compare(path.size() - 5, 5, ".onnx") == 0;
        return onnx ? core_.read_model(path) : core_.read_model(path, folder + "/graphs.bin");
    };
    const auto remember = read("remember"), locate = read("locate");
    for (const auto& port : remember->outputs()) memory_names_.push_back(port.get_any_name());
    for (const auto& port : locate->outputs()) has_score_ |= port.get_any_name() == "scores";
    // Float32, and no rounding of activations to 8 bits if the weights are stored in 8 bits.
    const ov::AnyMap exact{ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY),
                           ov::hint::inference_precision(ov::element::f32),
                           ov::hint::dynamic_quantization_group_size(0)};
    remember_ = core_.compile_model(remember, "CPU", exact).create_infer_request();
    locate_ = core_.compile_model(locate, "CPU", exact).create_infer_request();
}

void Tracker::start(const Frame& frame, const Box& box) {
    const std::size_t size = template_size_;
    Pixels first(size * size * 3);
    crop(frame, box, settings_.template_factor, template_size_, first.data());
    templates_ = {first, first};
    first_memory_ = memory_ = encode(templates_);
    box_ = sure_box_ = box;
    frame_number_ = next_slot_ = 0;
    looked_ = 0;
    cut_ = false;
    found_box_.reset();
    candidate_.reset();
    best_score_ = -1;
    judged_ = told_ = Judgment{};
    usual_ = UsualScore{};
    likeness_ = 1;
    thumbnail_ = thumbnail(frame);
}

Result Tracker::update(const Frame& frame) {
    ++frame_number_;
    auto [box, seen] = look(frame, found_box_.value_or(box_), memory_);
    if (settings_.rules == "official" || !seen) {
        box_ = box;
        if (seen) judged_.add(*seen, settings_);
        update_templates(frame, box, seen);
        return {box, seen, judged_.status};
    }
    const double score = *seen;
    judged_.add(score, settings_);
    notice_cut(frame);
    found_box_.reset();
    if (judged_.status == "tracking" && judged_.high) {
        sure_box_ = box;
        cut_ = false;
        looked_ = 0;
    } else if (judged_.status == "lost") {
        if (score < 0.5 * settings_.lost_below) box = sure_box_;  // wait where the target was last
        if (judged_.low) search_elsewhere(frame);
    }
    box_ = box;
    if (judged_.status == "tracking") update_templates(frame, box, score);
    compare(frame, score);
    const double told = tell(score);
    return {box, told, told_.status};
}

// Run the graph for templates, which is needed only when one changes.
Tracker::Memory Tracker::encode(const std::vector<Pixels>& templates) {
    const std::size_t size = template_size_;
    ov::Tensor input(ov::element::u8, {1, templates.size(), size, size, 3});
    auto* out = input.data<std::uint8_t>();
    for (const Pixels& each : templates) out = std::copy(each.begin(), each.end(), out);
    remember_.set_tensor("templates", input);
    remember_.infer();
    Memory memory;
    for (const auto& name : memory_names_) {  // a copy: the request uses its own tensors again
        const ov::Tensor made = remember_.get_tensor(name);
        memory.emplace_back(made.get_element_type(), made.get_shape());
        made.copy_to(memory.back());
    }
    return memory;
}

// Find the target in the crop around a box.
Tracker::Found Tracker::look(const Frame& frame, const Box& around, const Memory& memory) {
    const std::size_t size = search_size_;
    ov::Tensor search(ov::element::u8, {1, size, size, 3});
    const int side = crop(frame, around, settings_.search_factor, search_size_, search.data<std::uint8_t>());
    locate_.set_tensor("search", search);
    for (std::size_t k = 0; k < memory.size(); ++k) locate_.set_tensor(memory_names_[k], memory[k]);
    locate_.infer();
    const float* b = locate_.get_tensor("boxes").data<float>();
    const double w = double(b[2]) * side, h = double(b[3]) * side;
    const double x = around[0] + 0.5 * around[2] + (b[0] - 0.5) * side - 0.5 * w;
    const double y = around[1] + 0.5 * around[3] + (b[1] - 0.5) * side - 0.5 * h;
    Found found{clip({x, y, w, h}, frame, settings_.margin), std::nullopt};
    if (has_score_) found.score = 1 / (1 + std::exp(-double(*locate_.get_tensor("scores").data<float>())));
    return found;
}

// Keep the best frame of an interval as an online template when the interval ends.
void Tracker::update_templates(const Frame& frame, const Box& box, std::optional<double> score) {
    const Settings& s = settings_;
    if (s.update == "never" || s.update_interval == 0 || (s.update == "score" && !score)) return;
    const bool ends = frame_number_ % s.update_interval == 0;
    best_score_ *= s.score_decay;
    if (s.update == "interval" ? ends : *score > std::max(s.score_threshold, best_score_)) {
        best_score_ = score.value_or(-1);
        candidate_ = Pixels(templates_[0].size());
        crop(frame, box, s.template_factor, template_size_, candidate_->data());
    }
    if (!ends) return;
    const Pixels added = candidate_ ? *candidate_ : templates_[0];
    if (templates_.size() <= static_cast<std::size_t>(s.online_templates)) {
        templates_.push_back(added);
    } else {
        templates_[1 + next_slot_] = added;
        next_slot_ = (next_slot_ + 1) % s.online_templates;
    }
    memory_ = encode(templates_);
    candidate_.reset();
    best_score_ = -1;
}

// Call the target lost at once if the whole picture changed and the score is low.
void Tracker::notice_cut(const Frame& frame) {
    const auto before = thumbnail_;
    thumbnail_ = thumbnail(frame);
    double change = 0;
    for (std::size_t k = 0; k < before.size(); ++k) change += std::abs(thumbnail_[k] - before[k]);
    if (change / before.size() <= 35) return;
    cut_ = true;
    if (judged_.low) {
        judged_.lose();
        looked_ = 0;
    }
}

// Compare what the box shows with the initial template: now and then, and in every frame that is in doubt.
void Tracker::compare(const Frame& frame, double score) {
    const Settings& s = settings_;
    const bool sure = told_.status == "tracking" && score >= s.sure_above;
    const bool due = !sure || frame_number_ % s.likeness_interval == 0;
    if (due && score >= s.lost_below) likeness_ = alike(frame, box_);
}

// Return the likeness of what a box shows to the initial template.
double Tracker::alike(const Frame& frame, const Box& box) {
    if (settings_.likeness_weight <= 0) return 1;
    Pixels shown(templates_[0].size());
    crop(frame, box, settings_.template_factor, template_size_, shown.data());
    return likeness(first_memory_[middle_], encode({shown, shown})[middle_]);
}

// Return the logits by which a likeness lowers a score.
double Tracker::unlike(double alike) const {
    return settings_.likeness_weight * std::max(0.0, settings_.likeness_usual - alike);
}

// Judge the score in the light of the usual one and the likeness; return it, lowered if it is unusual.
double Tracker::tell(double score) {
    const double seen = usual_.confidence(score, unlike(likeness_));
    told_.add(seen, settings_);
    if (cut_ && told_.low) told_.lose();
    if (score >= settings_.sure_above) usual_.add(score, told_.status == "tracking" && told_.high > 0);
    return seen;
}

// Look for a lost target in a few more windows, by the initial template and by all templates in turns.
void Tracker::search_elsewhere(const Frame& frame) {
    const auto windows = places(frame.height, frame.width);
    const Memory& memory = looked_ / 2 % 2 ? memory_ : first_memory_;
    Found best{{}, -1.0};
    for (const Box& window : windows) {
        const Found found = look(frame, window, memory);
        if (*found.score > *best.score) best = found;
    }
    looked_ += windows.size();
    const double score = *best.score, least = settings_.found_above;
    if (score >= least && logit(score) - unlike(alike(frame, best.box)) >= logit(least))
        found_box_ = best.box;  // the next frame looks there again
}

// Windows over the frame: near ones first, farther ones the longer the target is away, all after a cut. The package also
// looks at places of similar shape and color (search_glances); this program does not.
std::vector<Box> Tracker::places(int height, int width) const {
    const Settings& s = settings_;
    if (s.redetect == "off" || s.search_budget < 2) return {};
    const auto [x, y, w, h] = sure_box_;
    const double size = std::sqrt(w * h), stride = 0.6 * s.search_factor * size;
    const double scale = std::min(2.0, std::max(1.0, std::sqrt(height * double(width) / 12) / stride));
    const auto count = [&](int side) { return std::clamp(int(std::ceil(side / (stride * scale))), 1, 32); };
    const int rows = count(height), columns = count(width);
    const bool anywhere = s.redetect == "frame" && (cut_ || judged_.lost_frames > 10);
    const double reach = anywhere ? std::numeric_limits<double>::infinity() : size * (2.5 + 0.35 * judged_.lost_frames);
    std::vector<std::array<double, 3>> near;  // distance, x, y
    for (int i = 0; i < rows; ++i)
        for (int j = 0; j < columns; ++j) {
            const double mx = (j + 0.5) * width / columns, my = (i + 0.5) * height / rows;
            const double distance = std::hypot(mx - (x + 0.5 * w), my - (y + 0.5 * h));
            if (distance <= reach) near.push_back({distance, mx, my});
        }
    std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a[0] < b[0]; });
    const bool hurry = cut_ && anywhere && looked_ < std::size_t(rows) * columns;
    const std::size_t most = hurry ? s.search_budget - 1 : 1;
    std::vector<Box> chosen;
    for (std::size_t k = 0; k < std::min(most, near.size()); ++k) {
        const auto& place = near[(looked_ + k) % near.size()];
        chosen.push_back({place[1] - w * scale / 2, place[2] - h * scale / 2, w * scale, h * scale});
    }
    return chosen;
}
