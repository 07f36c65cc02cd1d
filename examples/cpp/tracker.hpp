// Follow one object through a video with OpenVINO alone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <openvino/openvino.hpp>

using Box = std::array<double, 4>;  // left, top, width, height in pixels
using Pixels = std::vector<std::uint8_t>;

struct Frame {
    const std::uint8_t* pixels;  // red, green and blue of each pixel, row by row
    int width;
    int height;
};

struct Result {
    Box box;
    std::optional<double> score;  // 0 to 1; none for a model without a score head
    std::string status;           // "tracking", "uncertain" or "lost"
};

// The settings under "tracker" in config.json.
struct Settings {
    double search_factor, template_factor, score_threshold, score_decay, margin;
    double lost_below, sure_above, found_above, likeness_weight, likeness_usual;
    int update_interval, online_templates, lost_after, found_after, search_budget, likeness_interval;
    std::string update, rules, redetect;
};

// Counts low and sure scores in a row.
struct Judgment {
    std::string status = "tracking";
    int low = 0, high = 0, lost_frames = 0;
    void add(double score, const Settings& settings);
    void lose();
};

// The level of scores that this target has. A score well below it tells more than the score itself.
struct UsualScore {
    double mean = 1.0;
    int frames = 0;
    double confidence(double score, double unlike) const;
    void add(double score, bool sure);
};

// Tracks one target: start() with its box, then update() with each following frame.
class Tracker {
public:
    // Load a folder that `mixformer export` wrote.
    explicit Tracker(const std::string& folder);
    void start(const Frame& frame, const Box& box);
    Result update(const Frame& frame);

private:
    using Memory = std::vector<ov::Tensor>;
    struct Found {
        Box box;
        std::optional<double> score;
    };

    Memory encode(const std::vector<Pixels>& templates);
    Found look(const Frame& frame, const Box& around, const Memory& memory);
    void update_templates(const Frame& frame, const Box& box, std::optional<double> score);
    void notice_cut(const Frame& frame);
    void compare(const Frame& frame, double score);
    double alike(const Frame& frame, const Box& box);
    double unlike(double alike) const;
    double tell(double score);
    void search_elsewhere(const Frame& frame);
    std::vector<Box> places(int height, int width) const;

    Settings settings_;
    int search_size_, template_size_;
    std::size_t middle_;  // number of the values of the middle block in a memory
    std::vector<std::string> memory_names_;
    ov::Core core_;  // one for the whole program
    ov::InferRequest remember_, locate_;
    bool has_score_ = false;

    std::vector<Pixels> templates_;  // the initial one, then the online ones
    Memory memory_, first_memory_;
    Box box_{}, sure_box_{};
    int frame_number_ = 0, next_slot_ = 0;
    std::size_t looked_ = 0;
    bool cut_ = false;
    std::optional<Box> found_box_;
    std::optional<Pixels> candidate_;
    double best_score_ = -1, likeness_ = 1;
    // Two judgments: by the score itself, which moves the box; and in the light of the usual score, which is told.
    Judgment judged_, told_;
    UsualScore usual_;
    std::vector<int> thumbnail_;
};
